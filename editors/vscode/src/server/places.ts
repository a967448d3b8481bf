import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { homedir } from "node:os";
import * as vscode from "vscode";
import type { EventLog } from "../log/events";
import { findServer, type Places, type Search } from "./find";

/** The part of the Python extension's API that is used here. */
interface PythonApi {
  readonly environments: {
    getActiveEnvironmentPath(resource?: vscode.Uri): { readonly path: string };
    resolveEnvironment(path: {
      readonly path: string;
    }): Promise<{ readonly executable: { readonly uri: vscode.Uri | undefined } } | undefined>;
  };
}

const PYTHON_EXTENSION = "ms-python.python";
const PYTHON_TIMEOUT_MS = 3_000;

/**
 * Find this window's server.
 *
 * @param configured The setting `midfill.server.path`.
 * @param ownEnvironment The environment that this extension has set up, if it has.
 */
export async function locateServer(
  configured: string,
  ownEnvironment: string | undefined,
  log: EventLog,
): Promise<Search> {
  const places = readPlaces(configured, ownEnvironment);
  const first = await findServer(places, isExecutable);
  const certain =
    first.kind === "bad setting" || (first.kind === "found" && first.server.origin !== "workspace");
  // The Python extension takes its time: it is asked only where its answer matters.
  const search = certain
    ? first
    : await findServer({ ...places, selectedPython: await selectedPython() }, isExecutable);
  const server = search.kind === "found" ? search.server : undefined;
  log.record("server.found", {
    kind: search.kind,
    command: server?.command ?? null,
    origin: server?.origin ?? null,
  });
  return search;
}

function readPlaces(configured: string, ownEnvironment: string | undefined): Places {
  return {
    configured,
    ownEnvironment,
    pathVariable: process.env.PATH ?? "",
    selectedPython: undefined,
    workspaceFolders: (vscode.workspace.workspaceFolders ?? [])
      .filter((folder) => folder.uri.scheme === "file")
      .map((folder) => folder.uri.fsPath),
    trusted: vscode.workspace.isTrusted,
    home: homedir(),
    windows: process.platform === "win32",
  };
}

/** Tell whether a file can be run. */
async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}

/** Return the interpreter that the Python extension has selected, if it is there and answers. */
export async function selectedPython(): Promise<string | undefined> {
  const extension = vscode.extensions.getExtension<PythonApi>(PYTHON_EXTENSION);
  if (extension === undefined) return undefined;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), PYTHON_TIMEOUT_MS);
  });
  try {
    return await Promise.race([askPython(extension), late]);
  } catch {
    // An older or broken Python extension: the other places remain.
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

async function askPython(extension: vscode.Extension<PythonApi>): Promise<string | undefined> {
  const { environments } = await extension.activate();
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
  const environment = await environments.resolveEnvironment(
    environments.getActiveEnvironmentPath(folder),
  );
  return environment?.executable.uri?.fsPath;
}
