import * as vscode from "vscode";
import type { Switches } from "../state/gate";
import { misfit, SETTINGS } from "./schema";
import { type ReadSettings, type SettingProblem, type WireSettings, wireSettings } from "./wire";

/** The extension's own settings. */
export interface OwnSettings {
  readonly enable: boolean;
  readonly languages: Switches["languages"];
  readonly hintQuickSuggestions: boolean;
  readonly serverPath: string;
  readonly serverArguments: readonly string[];
  readonly serverEnvironment: Readonly<Record<string, string>>;
}

/** Every setting of the window, and what is wrong with them. */
export interface WindowSettings {
  readonly own: OwnSettings;
  readonly wire: WireSettings;
  readonly problems: readonly SettingProblem[];
}

/** Read the settings of the window; a value that does not fit is replaced by its default. */
export function readSettings(): WindowSettings {
  const configuration = vscode.workspace.getConfiguration("midfill");
  const wire: ReadSettings<WireSettings> = wireSettings((key) => explicitValue(configuration, key));
  const problems = [...wire.problems];
  const read = <T>(key: string): T => {
    const schema = SETTINGS.get(key);
    const value = configuration.get<unknown>(key);
    const accepted = schema && misfit(schema, value);
    if (accepted === undefined) return value as T;
    problems.push({ key, accepted });
    return configuration.inspect<T>(key)?.defaultValue as T;
  };
  const own: OwnSettings = {
    enable: read("enable"),
    languages: read("languages"),
    hintQuickSuggestions: read("hint.quickSuggestions"),
    serverPath: read("server.path"),
    serverArguments: read("server.arguments"),
    serverEnvironment: read("server.environment"),
  };
  return { own, wire: wire.values, problems };
}

/** Return what somebody has set; what an untrusted workspace may not set is not there at all. */
function explicitValue(configuration: vscode.WorkspaceConfiguration, key: string): unknown {
  const seen = configuration.inspect<unknown>(key);
  const layers = [seen?.globalValue, seen?.workspaceValue, seen?.workspaceFolderValue];
  return layers.some((value) => value !== undefined) ? configuration.get<unknown>(key) : undefined;
}

/** Change a setting where it is set now, else for the user. */
export async function writeSetting(key: string, value: unknown): Promise<void> {
  const configuration = vscode.workspace.getConfiguration("midfill");
  const seen = configuration.inspect(key);
  const target =
    seen?.workspaceValue !== undefined
      ? vscode.ConfigurationTarget.Workspace
      : vscode.ConfigurationTarget.Global;
  await configuration.update(key, value, target);
}
