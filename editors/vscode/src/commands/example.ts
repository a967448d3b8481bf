import * as vscode from "vscode";

const EXAMPLE = `def mean(values: list[float]) -> float:
    """Return the mean of some numbers."""
    return sum(values) / len(values)


def variance(values: list[float]) -> float:
    """Return the variance of some numbers."""
    `;

/** Open a file to try completions in, the cursor where one is due. */
export async function openExample(): Promise<void> {
  const document = await vscode.workspace.openTextDocument({
    language: "python",
    content: EXAMPLE,
  });
  const editor = await vscode.window.showTextDocument(document);
  const end = document.lineAt(document.lineCount - 1).range.end;
  editor.selection = new vscode.Selection(end, end);
  await vscode.commands.executeCommand("editor.action.inlineSuggest.trigger");
}
