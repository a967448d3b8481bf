import * as vscode from "vscode";
import { InlineProvider } from "./completion/provider";
import { hangLimitMs, Watchdog } from "./completion/watchdog";
import type { EventLog } from "./log/events";
import { badPath, type Failure, NOT_INSTALLED, type Remedy } from "./server/failure";
import type { FoundServer, Search } from "./server/find";
import { locateServer } from "./server/places";
import type { Launch } from "./server/process";
import { Session } from "./server/session";
import { Supervisor, type SupervisorHost } from "./server/supervisor";
import { SettingsChanges } from "./settings/changes";
import { answers, debounceMs, loads } from "./state/server";
import { Switchboard } from "./state/switchboard";
import { statusView } from "./state/view";
import { Announcer } from "./ui/announcer";
import { codeDocument, ReadonlyDocuments } from "./ui/documents";
import { Facts } from "./ui/facts";
import { type ExtraButton, showServerMessage } from "./ui/serverMessages";
import { StatusItem } from "./ui/statusItem";

const DEFAULT_DEADLINE_MS = 10_000;

/** Everything of one window: its server, its switches, and what it shows. */
export class MidfillWindow implements SupervisorHost<Session>, vscode.Disposable {
  readonly extensionVersion: string;
  readonly channel = vscode.window.createOutputChannel("Midfill", { log: true });
  readonly documents = new ReadonlyDocuments();
  readonly facts = new Facts();
  readonly supervisor: Supervisor<Session>;
  readonly switches: Switchboard;
  readonly provider: InlineProvider;
  private readonly announcer: Announcer;
  private readonly item: StatusItem;
  private readonly watchdog: Watchdog;
  private readonly listeners: vscode.Disposable[] = [];
  private readonly settingsChanges: SettingsChanges;
  private couldAnswer = false;

  /**
   * @param ownEnvironment Where the server is that this extension has set up, if it has.
   * @param act Does what a button of a message stands for.
   * @param hint Explains that VS Code often stops waiting.
   */
  constructor(
    context: vscode.ExtensionContext,
    readonly log: EventLog,
    private readonly ownEnvironment: () => string | undefined,
    act: (remedy: Remedy) => void,
    hint: () => void,
  ) {
    this.extensionVersion = String(context.extension.packageJSON.version);
    this.item = new StatusItem(log);
    this.announcer = new Announcer(act, log);
    this.supervisor = new Supervisor(this);
    this.switches = new Switchboard(context.workspaceState, this.facts, () => this.changed());
    this.settingsChanges = new SettingsChanges(this.switches, this.supervisor, this.channel, log);
    this.watchdog = new Watchdog(
      {
        setTimeout: (callback, delayMs) => setTimeout(callback, delayMs),
        clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout | undefined),
      },
      () => hangLimitMs(this.deadlineMs()),
      () => this.supervisor.serverHangs(),
      () => this.supervisor.serverAnswers(),
    );
    this.provider = new InlineProvider(
      {
        whyOff: (document) => this.switches.whyOff(document),
        snoozed: () => this.switches.snooze.untilMs !== undefined,
        answers: () => answers(this.supervisor.state),
        loads: () => loads(this.supervisor.state),
        debounceMs: () => debounceMs(this.supervisor.state),
        accepted: () => this.facts.set("hasAccepted", true),
        cutOffOften: () => {
          if (this.switches.settings.own.hintQuickSuggestions) hint();
        },
      },
      this.watchdog,
      log,
    );
  }

  /** What the status item says under the mouse. */
  get statusText(): string {
    return this.item.tooltip;
  }

  /** Begin to listen, and start the server if there is a document for it. */
  begin(): void {
    this.listeners.push(
      vscode.workspace.onDidChangeConfiguration((event) => {
        if (!event.affectsConfiguration("midfill")) return;
        this.provider.settingsChanged();
        this.settingsChanges.apply();
      }),
      vscode.workspace.onDidChangeTextDocument((event) => this.provider.documentChanged(event)),
      vscode.window.onDidChangeActiveTextEditor(() => this.changed()),
      vscode.window.onDidChangeWindowState(({ focused }) => {
        // Another window, or somebody in a terminal, may have installed it meanwhile.
        if (focused) this.supervisor.lookAgain();
      }),
      vscode.workspace.onDidGrantWorkspaceTrust(() => {
        if (!answers(this.supervisor.state)) void this.supervisor.restart();
      }),
    );
    const editor = vscode.window.activeTextEditor;
    if (editor) this.provider.takeOver(editor);
    this.switches.restore();
    this.settingsChanges.tellProblems();
    this.changed();
  }

  /** End everything. */
  async end(): Promise<void> {
    this.settingsChanges.dispose();
    await this.supervisor.stop();
  }

  async find(): Promise<Search> {
    const configured = this.switches.settings.own.serverPath;
    const search = await locateServer(configured, this.ownEnvironment(), this.log);
    this.facts.set("serverFound", search.kind === "found");
    return search;
  }

  /** Find the server for a command; where there is none, tell the user. */
  async findOrTell(): Promise<FoundServer | undefined> {
    const running = this.supervisor.server;
    if (running) return running;
    const search = await this.find();
    if (search.kind === "found") return search.server;
    this.announcer.forget();
    this.announce(search.kind === "missing" ? NOT_INSTALLED : badPath(search.problem));
    return undefined;
  }

  /** The model that is configured or runs. */
  get modelName(): string {
    const { state } = this.supervisor;
    const engine = state.kind === "running" ? state.engine : undefined;
    if (engine?.kind === "ready" || engine?.kind === "busy") return engine.model;
    return String(this.switches.settings.wire.model?.path ?? "");
  }

  launchOf(server: FoundServer): Launch {
    const { serverArguments, serverEnvironment } = this.switches.settings.own;
    return {
      command: server.command,
      args: ["serve", "--stdio", ...serverArguments],
      cwd: vscode.workspace.isTrusted ? this.firstFolder() : undefined,
      // The event log is the extension's own: to the server it would be an unknown setting.
      environment: { ...process.env, MIDFILL_VSCODE_LOG: undefined, ...serverEnvironment },
    };
  }

  open(launch: Launch, onStatus: Parameters<SupervisorHost<Session>["open"]>[1]): Session {
    this.watchdog.reset();
    this.provider.serverReplaced();
    return new Session(
      launch,
      this.switches.settings.wire,
      this.channel,
      {
        ...onStatus,
        middleware: this.provider,
        onMessage: (params) => {
          this.log.record("message", { key: "server", text: params.message });
          return showServerMessage(params, this.extraButton());
        },
        onAction: ({ action }) => {
          this.log.record("action", { action });
          if (action === "showLog") this.channel.show();
          else if (action === "runDoctor") void vscode.commands.executeCommand("midfill.runDoctor");
        },
      },
      this.log,
    );
  }

  /** What helps most where the engine cannot be started: often it is the model. */
  private extraButton(): ExtraButton | undefined {
    const { state } = this.supervisor;
    if (state.kind !== "running" || state.engine.kind !== "error") return undefined;
    const run = (): void => void vscode.commands.executeCommand("midfill.chooseModel");
    return { title: "Choose model…", run };
  }

  announce(failure: Failure): void {
    this.channel.error(failure.message);
    this.announcer.announce(failure);
  }

  recovered(): void {
    this.announcer.forget();
  }

  /** Show what is the case now; called after every change. */
  changed(): void {
    const document = codeDocument();
    const documentOff =
      document &&
      (this.switches.whyOff(document) ??
        this.supervisor.documentReasons.get(document.uri.toString()));
    const { untilMs } = this.switches.snooze;
    const enabled = this.switches.settings.own.enable;
    this.item.show(
      statusView({
        server: this.supervisor.state,
        enabled,
        snoozedUntil: untilMs === undefined ? undefined : timeOfDay(untilMs),
        documentOff,
      }),
    );
    const now = answers(this.supervisor.state);
    this.provider.engineChanged();
    if (now && !this.couldAnswer) this.provider.askAgain();
    this.facts.set("running", now);
    this.couldAnswer = now;
    if (enabled && document && this.switches.whyOff(document) === undefined)
      this.supervisor.ensureStarted();
  }

  private deadlineMs(): number {
    const set = this.switches.settings.wire.completion?.deadlineMs;
    return typeof set === "number" ? set : DEFAULT_DEADLINE_MS;
  }

  private firstFolder(): string | undefined {
    const folder = vscode.workspace.workspaceFolders?.find(({ uri }) => uri.scheme === "file");
    return folder?.uri.fsPath;
  }

  dispose(): void {
    this.settingsChanges.dispose();
    this.watchdog.reset();
    for (const part of [
      ...this.listeners,
      this.switches,
      this.item,
      this.documents,
      this.channel,
    ]) {
      part.dispose();
    }
  }
}

function timeOfDay(timeMs: number): string {
  return new Date(timeMs).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}
