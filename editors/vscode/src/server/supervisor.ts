import {
  applyStatus,
  type DocumentReasons,
  type EngineState,
  type ServerState,
} from "../state/server";
import type { ClientHooks } from "./client";
import {
  badPath,
  endedTooOften,
  type Failure,
  failedStart,
  HANGS,
  NOT_INSTALLED,
  wrongVersion,
} from "./failure";
import type { FoundServer, Search } from "./find";
import type { Exit, Launch } from "./process";
import type { StatusParams } from "./protocol";
import { RestartBudget } from "./restartBudget";
import type { StartResult } from "./session";
import { versionsFit } from "./version";

/** One run of a server, as far as it is supervised. */
export interface SupervisedSession {
  readonly process: { readonly exited: Promise<Exit> };
  /** Whether it was asked to end. */
  readonly isStopping: boolean;
  start(): Promise<StartResult>;
  stop(): Promise<void>;
}

/** What the supervisor needs of its surroundings. */
export interface SupervisorHost<S extends SupervisedSession> {
  readonly extensionVersion: string;
  find(): Promise<Search>;
  launchOf(server: FoundServer): Launch;
  open(launch: Launch, hooks: Pick<ClientHooks, "onStatus">): S;
  announce(failure: Failure): void;
  /** Called after every change of `state`. */
  changed(): void;
  /** Called when the user asks for the server, or it answers again: what fails now is news. */
  recovered(): void;
}

/** Keeps one server running: starts it, watches it, starts it again, and gives up. */
export class Supervisor<S extends SupervisedSession> {
  private current: ServerState = { kind: "idle" };
  private reasons: DocumentReasons = new Map();
  private running: { readonly session: S; readonly server: FoundServer } | undefined;
  private queue: Promise<void> = Promise.resolve();
  private pause: NodeJS.Timeout | undefined;
  private beforeHang: ServerState | undefined;
  private over = false;
  private readonly budget = new RestartBudget();

  constructor(private readonly host: SupervisorHost<S>) {}

  /** What is known of the server. */
  get state(): ServerState {
    return this.current;
  }

  /** Why single documents get no completions, as the server said. */
  get documentReasons(): DocumentReasons {
    return this.reasons;
  }

  /** The session that runs; undefined where there is none. */
  get session(): S | undefined {
    return this.running?.session;
  }

  /** The server that runs or was last started. */
  get server(): FoundServer | undefined {
    return this.running?.server;
  }

  /** Start the server where it was never started. */
  ensureStarted(): void {
    if (this.current.kind === "idle") void this.enqueue(() => this.startIfIdle());
  }

  /** End the server, whatever it does, and start it anew. */
  restart(): Promise<void> {
    this.budget.reset();
    this.host.recovered();
    this.breakOff();
    return this.enqueue(async () => {
      await this.end();
      await this.start();
    });
  }

  /** End the server for good. */
  stop(): Promise<void> {
    this.breakOff();
    const ended = this.enqueue(() => this.end());
    this.over = true;
    return ended;
  }

  /** Run a set-up with no server beside it, then start what there is. */
  settingUp(setUp: () => Promise<void>): Promise<void> {
    this.budget.reset();
    return this.enqueue(async () => {
      await this.end();
      this.set({ kind: "settingUp" });
      await setUp();
      await this.start();
    });
  }

  /** Look for a server again where there was none. */
  lookAgain(): void {
    if (this.current.kind === "missing") void this.enqueue(() => this.start());
  }

  /** Note that a request was not answered for long. */
  serverHangs(): void {
    if (this.current.kind !== "running") return;
    this.beforeHang = this.current;
    this.fail(HANGS, "Restart the server.");
  }

  /** Note that the server answers again after all. */
  serverAnswers(): void {
    if (this.beforeHang === undefined || this.current.kind !== "failed") return;
    this.set(this.beforeHang);
    this.host.recovered();
  }

  /** End a start that is under way, so that what comes next need not wait for it. */
  private breakOff(): void {
    if (this.current.kind === "starting") void this.running?.session.stop();
  }

  /** Run one operation after the other: a restart never overtakes a start. */
  private enqueue(operation: () => Promise<void>): Promise<void> {
    if (this.over) return this.queue;
    const next = this.queue.then(operation);
    this.queue = next.catch(() => {});
    return next;
  }

  private async startIfIdle(): Promise<void> {
    if (this.current.kind === "idle") await this.start();
  }

  private async start(): Promise<void> {
    const search = await this.host.find();
    if (search.kind === "missing") {
      this.set({ kind: "missing" });
      this.host.announce(NOT_INSTALLED);
      return;
    }
    if (search.kind === "bad setting") {
      this.fail(badPath(search.problem), "Correct the setting.");
      return;
    }
    await this.startServer(search.server);
  }

  private async startServer(server: FoundServer): Promise<void> {
    this.reasons = new Map();
    this.beforeHang = undefined;
    this.set({ kind: "starting" });
    let early: StatusParams | undefined;
    const session = this.host.open(this.host.launchOf(server), {
      onStatus: (status) => {
        if (this.current.kind === "starting") early = status;
        this.follow(session, status);
      },
    });
    this.running = { session, server };
    const result = await session.start();
    // Somebody who does not want this server any more has ended it.
    if (session.isStopping) return;
    if (result.kind !== "started") {
      await this.end();
      this.fail(failedStart(server.command, result), "Look into the log.");
      return;
    }
    const engine: EngineState = result.sendsStatus
      ? { kind: "loading", percent: undefined, message: "The model is being loaded." }
      : { kind: "ready", model: "", device: "" };
    this.set({ kind: "running", engine, version: result.version });
    if (early) this.follow(session, early);
    void session.process.exited.then((exit) => this.ended(session, exit));
    if (!versionsFit(result.version, this.host.extensionVersion)) {
      this.host.announce(wrongVersion(result.version, this.host.extensionVersion));
    }
  }

  private follow(session: S, status: StatusParams): void {
    if (this.running?.session !== session || this.current.kind !== "running") return;
    const change = applyStatus(this.current.engine, this.reasons, status);
    this.reasons = change.documents;
    this.set({ ...this.current, engine: change.engine });
  }

  private async end(): Promise<void> {
    clearTimeout(this.pause);
    const session = this.running?.session;
    await session?.stop();
    this.running = undefined;
  }

  /** The server has ended without being asked to. */
  private ended(session: S, exit: Exit): void {
    if (this.running?.session !== session || session.isStopping) return;
    const pause = this.budget.next(Date.now());
    if (pause === undefined) {
      void this.enqueue(() => this.end());
      this.fail(endedTooOften(exit), "Restart the server, or look into the log.");
      return;
    }
    this.set({ kind: "starting" });
    void this.enqueue(async () => {
      await this.end();
      this.pause = setTimeout(() => void this.enqueue(() => this.start()), pause);
    });
  }

  private fail(failure: Failure, remedy: string): void {
    this.set({ kind: "failed", message: failure.message, remedy });
    this.host.announce(failure);
  }

  private set(state: ServerState): void {
    this.current = state;
    this.host.changed();
  }
}
