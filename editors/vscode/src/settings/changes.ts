import * as vscode from "vscode";
import type { EventLog } from "../log/events";
import { REMEDY_TITLES } from "../server/failure";
import type { Session } from "../server/session";
import type { Supervisor } from "../server/supervisor";
import type { Switchboard } from "../state/switchboard";
import { showSetting } from "../ui/settingsPage";
import type { OwnSettings } from "./read";
import { needsRestart, problemsText, withNulls } from "./wire";

/**
 * Several changes at once are one restart. The settings page itself waits a second for the next
 * digit of a number.
 */
const RESTART_DELAY_MS = 300;

/** Brings changed settings to the server: at once, or with a restart where it needs one. */
export class SettingsChanges implements vscode.Disposable {
  private timer: NodeJS.Timeout | undefined;
  private shown = "";

  constructor(
    private readonly switches: Switchboard,
    private readonly supervisor: Supervisor<Session>,
    private readonly channel: vscode.LogOutputChannel,
    private readonly log: EventLog,
  ) {}

  /** Read the settings again, and do what follows from them. */
  apply(): void {
    const before = this.switches.reload();
    const after = this.switches.settings;
    this.tellProblems();
    if (launchKey(before.own) !== launchKey(after.own) || needsRestart(before.wire, after.wire)) {
      this.restartSoon();
    } else if (JSON.stringify(before.wire) !== JSON.stringify(after.wire)) {
      const settings = { midfill: withNulls(after.wire) };
      // A server that starts or ends now gets them when it starts anew.
      this.supervisor.session?.client
        .sendNotification("workspace/didChangeConfiguration", { settings })
        .catch(() => {});
    }
    this.log.record("settings", { problems: after.problems.length });
  }

  /** Tell the user which settings are not used; the same ones once. */
  tellProblems(): void {
    const { problems } = this.switches.settings;
    const text = problems.length > 0 ? problemsText(problems) : "";
    if (text === this.shown) return;
    this.shown = text;
    if (!text) return;
    this.channel.warn(text);
    this.log.record("message", { key: "settings", text });
    void vscode.window.showWarningMessage(text, REMEDY_TITLES.openSettings).then((chosen) => {
      const key = problems[0]?.key;
      if (chosen === undefined || key === undefined) return;
      void showSetting(key, problems.length === 1 ? undefined : "@modified midfill");
    });
  }

  /** Restart the server when the settings have been left alone for a moment. */
  private restartSoon(): void {
    clearTimeout(this.timer);
    if (this.supervisor.state.kind === "idle") return;
    this.timer = setTimeout(() => void this.supervisor.restart(), RESTART_DELAY_MS);
  }

  dispose(): void {
    clearTimeout(this.timer);
  }
}

/** What of the settings decides which process is run. */
function launchKey(own: OwnSettings): string {
  return JSON.stringify([own.serverPath, own.serverArguments, own.serverEnvironment]);
}
