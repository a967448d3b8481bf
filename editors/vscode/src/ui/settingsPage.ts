import * as vscode from "vscode";
import { SETTINGS } from "../settings/schema";

/**
 * Show the settings page on the tab where a setting is set, or can be.
 *
 * In a remote window the user's tab does not have what belongs to a machine.
 *
 * @param key The setting without `midfill.`.
 * @param query What is searched for on the page; without it, the setting itself.
 */
export async function showSetting(key: string, query = `midfill.${key}`): Promise<void> {
  const seen = vscode.workspace.getConfiguration("midfill").inspect(key);
  const ofMachine = SETTINGS.get(key)?.scope?.startsWith("machine") === true;
  if (seen?.workspaceValue !== undefined || seen?.workspaceFolderValue !== undefined) {
    await vscode.commands.executeCommand("workbench.action.openWorkspaceSettings", { query });
  } else if (ofMachine && vscode.env.remoteName !== undefined) {
    await vscode.commands.executeCommand("workbench.action.openRemoteSettings", { query });
  } else {
    await vscode.commands.executeCommand("workbench.action.openSettings", query);
  }
}
