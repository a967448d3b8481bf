import * as vscode from "vscode";
import { parseMinutes } from "../state/snooze";
import { codeDocument } from "../ui/documents";
import type { MidfillWindow } from "../window";

const OFFERED_MINUTES = [5, 15, 30, 60] as const;

/** Switch completions in the language of the active editor. */
export async function toggleLanguage(window: MidfillWindow): Promise<void> {
  const document = codeDocument();
  if (document) await window.switches.toggleLanguage(document.languageId);
}

/** Switch completions in the file of the active editor. */
export async function toggleFile(window: MidfillWindow): Promise<void> {
  const document = codeDocument();
  if (document) await window.switches.toggleFile(document.uri);
}

/** Keep completions quiet for a time: the argument's minutes, else those that the user chooses. */
export async function snooze(window: MidfillWindow, argument: unknown): Promise<void> {
  const given = parseMinutes(String(argument ?? ""));
  const minutes = given ?? (await askMinutes());
  if (minutes !== undefined) window.switches.snooze.start(minutes);
}

async function askMinutes(): Promise<number | undefined> {
  const other = { label: "Other…", minutes: undefined };
  const offered = OFFERED_MINUTES.map((minutes) => ({ label: `${minutes} minutes`, minutes }));
  const chosen = await vscode.window.showQuickPick([...offered, other], {
    title: "Snooze Midfill",
    placeHolder: "No completions by themselves for …",
  });
  if (chosen === undefined || chosen.minutes !== undefined) return chosen?.minutes;
  const text = await vscode.window.showInputBox({
    title: "Snooze Midfill",
    prompt: "For how many minutes?",
    value: "10",
    validateInput: (value) =>
      parseMinutes(value) === undefined ? "A whole number from 1 to 1440." : undefined,
  });
  return text === undefined ? undefined : parseMinutes(text);
}
