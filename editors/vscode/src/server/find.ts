import * as path from "node:path";

/** Where a server was found. */
export type Origin = "setting" | "set up" | "PATH" | "Python environment" | "workspace";

/** A server that can be started. */
export interface FoundServer {
  readonly command: string;
  readonly origin: Origin;
}

/** What is known of where a server may be. */
export interface Places {
  /** `midfill.server.path`; empty where it is not set. */
  readonly configured: string;
  /** The environment that this extension made; undefined where it made none. */
  readonly ownEnvironment: string | undefined;
  readonly pathVariable: string;
  /** The interpreter that the Python extension has selected. */
  readonly selectedPython: string | undefined;
  readonly workspaceFolders: readonly string[];
  readonly trusted: boolean;
  readonly home: string;
  readonly windows: boolean;
}

/** Looks whether a file can be run. */
export type IsExecutable = (file: string) => Promise<boolean>;

/** What a search has come to. */
export type Search =
  | { readonly kind: "found"; readonly server: FoundServer }
  | { readonly kind: "bad setting"; readonly problem: string }
  | { readonly kind: "missing" };

/**
 * Find the server: the setting, what was set up, `PATH`, the Python environment, the workspace.
 *
 * In a workspace that is not trusted nothing inside of it is run.
 */
export async function findServer(places: Places, isExecutable: IsExecutable): Promise<Search> {
  const configured = places.configured.trim();
  if (configured) return explicitServer(configured, places, isExecutable);
  for (const server of candidates(places)) {
    if (await isExecutable(server.command)) return { kind: "found", server };
  }
  return { kind: "missing" };
}

/** List where a server may be, the best first. */
export function candidates(places: Places): readonly FoundServer[] {
  const found: FoundServer[] = [];
  const name = places.windows ? "midfill.exe" : "midfill";
  const bin = places.windows ? "Scripts" : "bin";
  const add = (command: string, origin: Origin): void => {
    if (!places.trusted && isInside(command, places.workspaceFolders)) return;
    if (!found.some((other) => other.command === command)) found.push({ command, origin });
  };
  if (places.ownEnvironment) add(path.join(places.ownEnvironment, bin, name), "set up");
  for (const folder of places.pathVariable.split(path.delimiter)) {
    // A relative folder on PATH would be one of the workspace.
    if (path.isAbsolute(folder)) add(path.join(folder, name), "PATH");
  }
  if (places.selectedPython) {
    add(path.join(path.dirname(places.selectedPython), name), "Python environment");
  }
  for (const folder of places.workspaceFolders) {
    add(path.join(folder, ".venv", bin, name), "workspace");
  }
  return found;
}

async function explicitServer(
  configured: string,
  places: Places,
  isExecutable: IsExecutable,
): Promise<Search> {
  const command = expandPath(configured, places);
  if (command === undefined) {
    return { kind: "bad setting", problem: `${configured} needs an open folder.` };
  }
  if (!path.isAbsolute(command)) {
    return { kind: "bad setting", problem: `${configured} is not an absolute path.` };
  }
  if (!places.trusted && isInside(command, places.workspaceFolders)) {
    const problem = `${configured} lies in this workspace, which is not trusted.`;
    return { kind: "bad setting", problem };
  }
  if (!(await isExecutable(command))) {
    return { kind: "bad setting", problem: `${command} is not there or cannot be run.` };
  }
  return { kind: "found", server: { command, origin: "setting" } };
}

/** Replace `~` and `${workspaceFolder}`; undefined where there is no folder. */
export function expandPath(
  text: string,
  places: Pick<Places, "home" | "workspaceFolders">,
): string | undefined {
  const variable = "$" + "{workspaceFolder}";
  const fromHome = text === "~" || text.startsWith("~/") ? places.home + text.slice(1) : text;
  if (!fromHome.includes(variable)) return fromHome;
  const folder = places.workspaceFolders[0];
  return folder === undefined ? undefined : fromHome.replaceAll(variable, folder);
}

function isInside(file: string, folders: readonly string[]): boolean {
  return folders.some((folder) => {
    const relative = path.relative(folder, file);
    return relative !== "" && !relative.startsWith("..") && !path.isAbsolute(relative);
  });
}
