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
          { label: "$(cloud-download) Set Up the Server", command: "midfill.installServer" },
          separator(),
        ]
      : [];
  return [
    ...missing,
    ...switching(window),
    separator(),
    { label: "$(symbol-misc) Choose Model…", command: "midfill.chooseModel" },
    { label: "$(debug-restart) Restart the Server", command: "midfill.restart" },
    separator(),
    { label: "$(search) Show Trace of the Last Completion", command: "midfill.showTrace" },
    { label: "$(output) Show Log", command: "midfill.showLog" },
    { label: "$(pulse) Run Doctor", command: "midfill.runDoctor" },
    separator(),
    { label: "$(gear) Open Settings", command: "midfill.openSettings" },
    { label: "$(book) Open Walkthrough", command: "midfill.openWalkthrough" },
  ];
}

function switching(window: MidfillWindow): Entry[] {
  const { own } = window.switches.settings;
  const snoozed = window.switches.snooze.untilMs !== undefined;
  const document = codeDocument();
  const first: Entry[] = [
    {
      label: own.enable
        ? "$(circle-slash) Switch Completions Off"
        : "$(sparkle) Switch Completions On",
      command: "midfill.toggle",
    },
    snoozed
      ? { label: "$(bell) End Snooze", command: "midfill.endSnooze" }
      : { label: "$(bell-slash) Snooze…", command: "midfill.snooze" },
  ];
  if (document === undefined) return first;
  const on = languageOn(own.languages, document.languageId);
  return [
    ...first,
    {
      label: `$(code) Switch ${on ? "Off" : "On"} for ${document.languageId}`,
      command: "midfill.toggleLanguage",
    },
    {
      label: `$(file) Switch ${window.switches.fileIsOff(document.uri) ? "On" : "Off"} in This File`,
      command: "midfill.toggleFile",
    },
  ];
}

function separator(): Entry {
  return { label: "", kind: vscode.QuickPickItemKind.Separator };
}
