import { existsSync, readdirSync } from "node:fs";
import * as path from "node:path";
import * as vscode from "vscode";
import { selectedPython } from "../server/places";
import { run } from "../server/run";
import { writeSetting } from "../settings/read";
import type { SetupFolder } from "../setup/folder";
import { type SetupResult, setUp } from "../setup/install";
import type { Machine } from "../setup/plan";
import { withProgress } from "../ui/progress";
import type { MidfillWindow } from "../window";

const RETRY = "Try again";
const SHOW_LOG = "Show log";

/** Set the server up in the extension's own storage, and start it. */
export async function installServer(
  window: MidfillWindow,
  folder: SetupFolder,
  bundle: string,
): Promise<void> {
  if (folder.isReady && !(await confirmAgain())) return;
  let result: SetupResult | undefined;
  await window.supervisor.settingUp(async () => {
    result = await setUpWithProgress(window, folder, bundle);
  });
  if (result?.kind === "done") await offerOwn(window);
  else if (result !== undefined) await tell(window, folder, bundle, result);
}

async function setUpWithProgress(
  window: MidfillWindow,
  folder: SetupFolder,
  bundle: string,
): Promise<SetupResult> {
  const result = await withProgress("Setting up Midfill's server", async (say, signal) =>
    setUp({
      folder,
      bundle,
      machine: await machineOf(window),
      selectedPython: await selectedPython(),
      say,
      onLine: (line) => window.channel.info(`set-up: ${line}`),
      signal,
    }),
  );
  const why = result.kind === "failed" ? result.why : null;
  window.log.record("setup", { kind: result.kind, why });
  return result;
}

async function confirmAgain(): Promise<boolean> {
  const again = "Set up again";
  const text = "Midfill's server is set up already. Remove it and set it up again?";
  return (await vscode.window.showWarningMessage(text, { modal: true }, again)) === again;
}

/** Offer the server that was set up, where a setting names another one. */
async function offerOwn(window: MidfillWindow): Promise<void> {
  const { serverPath } = window.switches.settings.own;
  if (serverPath === "") return;
  const use = "Use it";
  const answer = await vscode.window.showInformationMessage(
    `Midfill's server is set up, but midfill.server.path names another one: ${serverPath}`,
    use,
  );
  if (answer === use) await writeSetting("server.path", undefined);
}

async function tell(
  window: MidfillWindow,
  folder: SetupFolder,
  bundle: string,
  result: SetupResult,
): Promise<void> {
  if (result.kind === "cancelled" || result.kind === "done") return;
  const text =
    result.kind === "busy"
      ? "Another window is setting Midfill's server up."
      : `Midfill's server could not be set up: ${result.why}`;
  const show =
    result.kind === "busy" ? vscode.window.showInformationMessage : vscode.window.showErrorMessage;
  const answer = await show(text, RETRY, SHOW_LOG);
  if (answer === RETRY) await installServer(window, folder, bundle);
  else if (answer === SHOW_LOG) window.channel.show();
}

async function machineOf(window: MidfillWindow): Promise<Machine> {
  const device = window.switches.settings.wire.engine?.device;
  return {
    platform: process.platform,
    architecture: process.arch,
    nvidia: await nvidiaAnswers(),
    device: typeof device === "string" ? device : "auto",
  };
}

async function nvidiaAnswers(): Promise<boolean> {
  const { code, stdout } = await run("nvidia-smi", ["-L"]);
  if (code === 0 && /^GPU /m.test(stdout)) return true;
  return existsSync("/dev") && readdirSync("/dev").some((name) => /^nvidia\d+$/.test(name));
}

/** Let the user choose the server's executable. */
export async function choosePath(): Promise<void> {
  const chosen = await vscode.window.showOpenDialog({
    canSelectMany: false,
    title: "Midfill's server: the midfill executable",
    openLabel: "Use this server",
  });
  const file = chosen?.[0]?.fsPath;
  if (file) await writeSetting("server.path", path.normalize(file));
}
