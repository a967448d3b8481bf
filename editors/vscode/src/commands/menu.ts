import * as vscode from "vscode";
import { languageOn } from "../state/gate";
import { codeDocument } from "../ui/documents";
import type { MidfillWindow } from "../window";

interface Entry extends vscode.QuickPickItem {
  readonly command?: string;
}

/** Show what can be done now. */
export async function showMenu(window: MidfillWindow): Promise<void> {
  const chosen = await vscode.window.showQuickPick(entries(window), {
    title: `Midfill ${window.extensionVersion}`,
    placeHolder: window.statusText,
  });
  if (chosen?.command) await vscode.commands.executeCommand(chosen.command);
}

function entries(window: MidfillWindow): Entry[] {
  const { kind } = window.supervisor.state;
  const missing: Entry[] =
    kind === "missing" || kind === "failed"
      ? [
          { label: "$(cloud-download) Set up the server", command: "midfill.installServer" },
          separator(),
        ]
      : [];
  return [
    ...missing,
    ...switching(window),
    separator(),
    { label: "$(symbol-misc) Choose model…", command: "midfill.chooseModel" },
    { label: "$(debug-restart) Restart the server", command: "midfill.restart" },
    separator(),
    { label: "$(search) Show trace of the last completion", command: "midfill.showTrace" },
    { label: "$(output) Show log", command: "midfill.showLog" },
    { label: "$(pulse) Run doctor", command: "midfill.runDoctor" },
    separator(),
    { label: "$(gear) Open settings", command: "midfill.openSettings" },
    { label: "$(book) Open walkthrough", command: "midfill.openWalkthrough" },
  ];
}

function switching(window: MidfillWindow): Entry[] {
  const { own } = window.switches.settings;
  const snoozed = window.switches.snooze.untilMs !== undefined;
  const document = codeDocument();
  const first: Entry[] = [
    {
      label: own.enable
        ? "$(circle-slash) Switch completions off"
        : "$(sparkle) Switch completions on",
      command: "midfill.toggle",
    },
    snoozed
      ? { label: "$(bell) End snooze", command: "midfill.endSnooze" }
      : { label: "$(bell-slash) Snooze…", command: "midfill.snooze" },
  ];
  if (document === undefined) return first;
  const on = languageOn(own.languages, document.languageId);
  return [
    ...first,
    {
      label: `$(code) Switch ${on ? "off" : "on"} for ${document.languageId}`,
      command: "midfill.toggleLanguage",
    },
    {
      label: `$(file) Switch ${window.switches.fileIsOff(document.uri) ? "on" : "off"} in this file`,
      command: "midfill.toggleFile",
    },
  ];
}

function separator(): Entry {
  return { label: "", kind: vscode.QuickPickItemKind.Separator };
}
