import * as vscode from "vscode";

/** What is known of this window, for conditions of menus and for the walkthrough's steps. */
export class Facts {
  private readonly values = new Map<string, boolean>();
  private walkthroughIsOpen = false;

  /** Note a fact. */
  set(name: string, value: boolean): void {
    if (this.values.get(name) === value) return;
    this.values.set(name, value);
    this.publish(name, value);
  }

  /**
   * Open the walkthrough.
   *
   * VS Code ticks a step off only when its condition becomes true after it has read the
   * walkthrough, which it does at the first opening: what was true before is said again, under
   * names of its own.
   */
  async openWalkthrough(id: string): Promise<void> {
    await vscode.commands.executeCommand("workbench.action.openWalkthrough", id, false);
    this.walkthroughIsOpen = true;
    for (const [name, value] of this.values) this.publish(name, value);
  }

  private publish(name: string, value: boolean): void {
    void vscode.commands.executeCommand("setContext", `midfill.${name}`, value);
    if (!this.walkthroughIsOpen) return;
    void vscode.commands.executeCommand("setContext", `midfill.walkthrough.${name}`, value);
  }
}
