import { isOwn, misfit, SETTINGS } from "./schema";

/** A setting whose value cannot be used. */
export interface SettingProblem {
  readonly key: string;
  readonly accepted: string;
}

/** Settings as the server takes them: section to key to value, camel case. */
export type WireSettings = Record<string, Record<string, unknown>>;

/** Settings that were read, and what is wrong with others. */
export interface ReadSettings<T> {
  readonly values: T;
  readonly problems: readonly SettingProblem[];
}

/**
 * Collect what the server is sent: settings that somebody has set, and that fit.
 *
 * Defaults are not sent, so that the server's own file and environment keep their say.
 *
 * @param explicit Returns the value that was set for a key; undefined where none was.
 */
export function wireSettings(explicit: (key: string) => unknown): ReadSettings<WireSettings> {
  const values: WireSettings = {};
  const problems: SettingProblem[] = [];
  for (const [key, schema] of SETTINGS) {
    if (isOwn(key)) continue;
    const value = explicit(key);
    if (value === undefined) continue;
    const accepted = misfit(schema, value);
    if (accepted !== undefined) {
      problems.push({ key, accepted });
      continue;
    }
    const [section = "", name = ""] = key.split(".");
    values[section] = { ...values[section], [name]: value };
  }
  return { values, problems };
}

/**
 * Return the settings with null for each one that is not set.
 *
 * So one that the user has deleted goes, even if the server was started with it.
 */
export function withNulls(settings: WireSettings): WireSettings {
  const all: WireSettings = {};
  for (const key of SETTINGS.keys()) {
    if (isOwn(key)) continue;
    const [section = "", name = ""] = key.split(".");
    all[section] = { ...all[section], [name]: settings[section]?.[name] ?? null };
  }
  return all;
}

/** Sections whose settings the server reads only when it starts. */
const START_SECTIONS = ["model", "engine", "scripted"];

/** Whether new settings need another start of the server. */
export function needsRestart(before: WireSettings, after: WireSettings): boolean {
  return START_SECTIONS.some(
    (section) => JSON.stringify(before[section] ?? {}) !== JSON.stringify(after[section] ?? {}),
  );
}

/** Return the settings as environment variables, for commands that no editor talks to. */
export function settingsEnvironment(settings: WireSettings): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [section, entries] of Object.entries(settings)) {
    for (const [name, value] of Object.entries(entries)) {
      const snake = name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
      // A TOML string, so that the text "12" stays text.
      variables[`MIDFILL_${section.toUpperCase()}_${snake}`] = JSON.stringify(value);
    }
  }
  return variables;
}

/** Say in one sentence which settings are not used, and what they accept. */
export function problemsText(problems: readonly SettingProblem[]): string {
  const each = problems.map((problem) => `midfill.${problem.key} takes ${problem.accepted}`);
  return `Midfill runs without ${problems.length === 1 ? "a setting" : "some settings"}: ${each.join("; ")}.`;
}
