import * as vscode from "vscode";
import {
  type MessageActionItem,
  MessageType,
  type ShowMessageRequestParams,
} from "vscode-languageclient/node";

/** A button that the extension adds to a message of the server. */
export interface ExtraButton {
  readonly title: string;
  readonly run: () => void;
}

/** Show a message of the server with its buttons, and return which of them was pressed. */
export async function showServerMessage(
  params: ShowMessageRequestParams,
  extra: ExtraButton | undefined,
): Promise<MessageActionItem | null> {
  const actions = params.actions ?? [];
  const titles = [...(extra ? [extra.title] : []), ...actions.map((action) => action.title)];
  const chosen = await showOf(params.type)(params.message, ...titles);
  if (extra && chosen === extra.title) extra.run();
  return actions.find((action) => action.title === chosen) ?? null;
}

function showOf(
  type: MessageType,
): (message: string, ...titles: string[]) => Thenable<string | undefined> {
  switch (type) {
    case MessageType.Error:
      return vscode.window.showErrorMessage;
    case MessageType.Warning:
      return vscode.window.showWarningMessage;
    default:
      return vscode.window.showInformationMessage;
  }
}
