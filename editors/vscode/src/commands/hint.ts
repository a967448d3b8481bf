import * as vscode from "vscode";
import { writeSetting } from "../settings/read";

const OPEN = "Open setting";
const NEVER = "Don't tell me again";

/** Explain why completions often do not appear behind a word; change nothing by itself. */
export async function explainCutOff(): Promise<void> {
  const chosen = await vscode.window.showInformationMessage(
    "VS Code has stopped waiting for several completions: behind a word it waits about 0.75 seconds, then opens its list of suggestions instead (editor.quickSuggestions is offWhenInlineCompletions). " +
      'With "off" it waits for Midfill; with "on" both are shown, but the ghost text then has to match the entry that is selected in the list.',
    OPEN,
    NEVER,
  );
  if (chosen === OPEN) {
    await vscode.commands.executeCommand(
      "workbench.action.openSettings",
      "editor.quickSuggestions",
    );
  } else if (chosen === NEVER) {
    await writeSetting("hint.quickSuggestions", false);
  }
}
