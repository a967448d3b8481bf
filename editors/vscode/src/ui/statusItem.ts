import * as vscode from "vscode";
import type { EventLog } from "../log/events";
import type { StatusView } from "../state/view";

/** The item in the status bar. */
export class StatusItem implements vscode.Disposable {
  private readonly item: vscode.StatusBarItem;
  private shown: StatusView | undefined;

  constructor(private readonly log: EventLog) {
    this.item = vscode.window.createStatusBarItem(
      "midfill.status",
      vscode.StatusBarAlignment.Right,
      100,
    );
    this.item.name = "Midfill";
    this.item.command = "midfill.showMenu";
  }

  /** What the item says under the mouse. */
  get tooltip(): string {
    return this.shown?.tooltip ?? "";
  }

  /** Show a state; one that is shown already costs nothing. */
  show(view: StatusView): void {
    const before = this.shown;
    if (before?.text === view.text && before.tooltip === view.tooltip) return;
    this.shown = view;
    this.item.text = view.text;
    this.item.tooltip = `Midfill: ${view.tooltip}`;
    this.item.accessibilityInformation = { label: `Midfill, ${view.kind}. ${view.tooltip}` };
    this.item.backgroundColor =
      view.kind === "error" ? new vscode.ThemeColor("statusBarItem.errorBackground") : undefined;
    this.item.show();
    this.log.record("status", { kind: view.kind, text: view.text, tooltip: view.tooltip });
  }

  dispose(): void {
    this.item.dispose();
  }
}
