import * as vscode from "vscode";
import { openExample } from "./commands/example";
import { explainCutOff } from "./commands/hint";
import { runDoctor, showTrace } from "./commands/insight";
import { showMenu } from "./commands/menu";
import { chooseModel } from "./commands/model";
import { choosePath, installServer } from "./commands/setup";
import { snooze, toggleFile, toggleLanguage } from "./commands/switching";
import { openEventLog } from "./log/events";
import type { Remedy } from "./server/failure";
import { SetupFolder } from "./setup/folder";
import { showSetting } from "./ui/settingsPage";
import { MidfillWindow } from "./window";

let active: MidfillWindow | undefined;

/** Start the extension in a window. */
export function activate(context: vscode.ExtensionContext): void {
  const began = performance.now();
  const log = openEventLog(process.env);
  const version = String(context.extension.packageJSON.version);
  const folder = new SetupFolder(
    vscode.Uri.joinPath(context.globalStorageUri, "server").fsPath,
    version,
  );
  const bundle = vscode.Uri.joinPath(context.extensionUri, "server").fsPath;
  const window = new MidfillWindow(
    context,
    log,
    () => (folder.isReady ? folder.environment : undefined),
    act,
    () => void explainCutOff(),
  );
  active = window;
  const commands: Readonly<Record<string, (argument?: unknown) => unknown>> = {
    toggle: () => window.switches.toggle(),
    toggleLanguage: () => toggleLanguage(window),
    toggleFile: () => toggleFile(window),
    snooze: (argument) => snooze(window, argument),
    endSnooze: () => window.switches.snooze.end(),
    restart: () => window.supervisor.restart(),
    chooseModel: () => chooseModel(window),
    showLog: () => window.channel.show(),
    showTrace: () => showTrace(window),
    runDoctor: () => runDoctor(window),
    openExample,
    openSettings: () =>
      vscode.commands.executeCommand(
        "workbench.action.openSettings",
        `@ext:${context.extension.id}`,
      ),
    showMenu: () => showMenu(window),
    installServer: () => installServer(window, folder, bundle),
    openWalkthrough: () => window.facts.openWalkthrough(`${context.extension.id}#start`),
  };
  for (const [name, run] of Object.entries(commands)) {
    context.subscriptions.push(
      vscode.commands.registerCommand(`midfill.${name}`, (argument?: unknown) => {
        log.record("command", { name });
        return run(argument);
      }),
    );
  }
  context.subscriptions.push(window);
  window.begin();
  log.record("activated", { ms: performance.now() - began, vscode: vscode.version, version });
}

/** End the server with the window. */
export async function deactivate(): Promise<void> {
  const window = active;
  active = undefined;
  await window?.end();
  window?.log.record("deactivated");
  await window?.log.close();
}

/** Do what a button of a message stands for. */
function act(remedy: Remedy): void {
  const actions: Readonly<Record<Remedy, () => unknown>> = {
    setUp: () => vscode.commands.executeCommand("midfill.installServer"),
    choosePath,
    openSettings: () => showSetting("server.path", "midfill.server"),
    showLog: () => vscode.commands.executeCommand("midfill.showLog"),
    restart: () => vscode.commands.executeCommand("midfill.restart"),
    runDoctor: () => vscode.commands.executeCommand("midfill.runDoctor"),
  };
  void actions[remedy]();
}
