import * as vscode from "vscode";
import type { EventLog } from "../log/events";
import { type Failure, REMEDY_TITLES, type Remedy } from "../server/failure";

/** Tells the user of failures: each once, until the server runs again or is asked to. */
export class Announcer {
  private readonly shown = new Set<string>();

  /**
   * @param act Does what a button stands for.
   * @param log Notes which messages were shown.
   */
  constructor(
    private readonly act: (remedy: Remedy) => void,
    private readonly log: EventLog,
  ) {}

  /** Show a failure, unless it was shown already. */
  announce(failure: Failure): void {
    if (this.shown.has(failure.message)) return;
    this.shown.add(failure.message);
    this.log.record("message", { key: failure.key, text: failure.message });
    const buttons = failure.remedies.map((remedy) => REMEDY_TITLES[remedy]);
    const show =
      failure.key === "version" ? vscode.window.showWarningMessage : vscode.window.showErrorMessage;
    void show(failure.message, ...buttons).then((chosen) => {
      const remedy = failure.remedies.find((candidate) => REMEDY_TITLES[candidate] === chosen);
      if (remedy !== undefined) this.act(remedy);
    });
  }

  /** Forget what was shown, so that it is shown again. */
  forget(): void {
    this.shown.clear();
  }
}
