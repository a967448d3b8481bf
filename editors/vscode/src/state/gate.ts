/** Documents that people write code in; diffs, logs and output are none. */
export const SCHEMES: readonly string[] = [
  "file",
  "untitled",
  "vscode-notebook-cell",
  "vscode-userdata",
  "vscode-vfs",
  "vscode-remote",
];

/** What of a document decides whether completions are offered in it. */
export interface DocumentFacts {
  readonly uri: string;
  readonly scheme: string;
  readonly languageId: string;
}

/** What the user has switched on and off. */
export interface Switches {
  readonly enabled: boolean;
  readonly languages: Readonly<Record<string, boolean>>;
  readonly filesOff: ReadonlySet<string>;
}

/** Whether completions are offered in a language: its own entry, else that of `*`, else yes. */
export function languageOn(
  languages: Readonly<Record<string, boolean>>,
  languageId: string,
): boolean {
  return languages[languageId] ?? languages["*"] ?? true;
}

/** Why completions are not offered in a document; undefined where they are. */
export function whyOff(switches: Switches, document: DocumentFacts): string | undefined {
  if (!switches.enabled) return "Completions are switched off.";
  if (!SCHEMES.includes(document.scheme)) return "This is not a file that code is written in.";
  if (switches.filesOff.has(document.uri)) return "Completions are switched off in this file.";
  if (!languageOn(switches.languages, document.languageId)) {
    return `Completions are switched off for ${document.languageId}.`;
  }
  return undefined;
}

/** Return the languages with one of them switched; entries that `*` makes needless stay. */
export function toggledLanguage(
  languages: Readonly<Record<string, boolean>>,
  languageId: string,
): Record<string, boolean> {
  return { ...languages, [languageId]: !languageOn(languages, languageId) };
}
