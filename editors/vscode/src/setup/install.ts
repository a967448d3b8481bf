import { readdir } from "node:fs/promises";
import * as path from "node:path";
import { lastLine, type RunOptions, run } from "../server/run";
import type { SetupFolder } from "./folder";
import {
  chooseLock,
  type Interpreter,
  interpreterNames,
  type Machine,
  PYTHON_VERSIONS,
  parsePythonVersion,
  pythonFits,
  STEPS,
  stepOf,
  whyUnsupported,
} from "./plan";

/** How a set-up ended. */
export type SetupResult =
  | { readonly kind: "done" }
  | { readonly kind: "cancelled" }
  | { readonly kind: "busy" }
  | { readonly kind: "failed"; readonly why: string };

/** What a set-up works with. */
export interface SetupOrder {
  readonly folder: SetupFolder;
  /** The folder of the extension that holds the wheel and the locked requirements. */
  readonly bundle: string;
  readonly machine: Machine;
  readonly selectedPython: string | undefined;
  /** Tells of a step, and by how many percent it is further. */
  readonly say: (message: string, increment: number) => void;
  readonly onLine: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Set the server up in the extension's own folder; nothing half-made is left. */
export async function setUp(order: SetupOrder): Promise<SetupResult> {
  const reason = whyUnsupported(order.machine);
  if (reason !== undefined) return { kind: "failed", why: reason };
  const release = await order.folder.claim();
  if (release === undefined) return { kind: "busy" };
  try {
    await order.folder.clear();
    const result = await install(order);
    if (result.kind !== "done") await order.folder.clear();
    return result;
  } catch (error) {
    return { kind: "failed", why: error instanceof Error ? error.message : String(error) };
  } finally {
    await release();
  }
}

async function install(order: SetupOrder): Promise<SetupResult> {
  const { environment } = order.folder;
  order.say("Looking for Python", 0);
  const python = (await findPython(order)) ?? (await pythonOfUv(order, environment));
  if (order.signal.aborted) return { kind: "cancelled" };
  if (python === undefined) {
    const versions = [...PYTHON_VERSIONS].sort().join(", ");
    return {
      kind: "failed",
      why: `There is neither Python ${versions} nor uv on this machine. Install one of them.`,
    };
  }
  const wheel = await wheelIn(order.bundle);
  if (wheel === undefined)
    return { kind: "failed", why: "This build of the extension carries no server." };
  const lock = chooseLock(order.machine);
  const installer = path.join(order.bundle, "requirements", "install.py");
  const result = await run(
    python,
    [installer, environment, lock, "--wheel", wheel],
    optionsOf(order),
  );
  if (result.cancelled) return { kind: "cancelled" };
  if (result.code !== 0)
    return { kind: "failed", why: lastLine(result.stderr) || lastLine(result.stdout) };
  const check = await run(
    path.join(environment, "bin", "midfill"),
    ["--version"],
    optionsOf(order),
  );
  if (check.code !== 0) return { kind: "failed", why: lastLine(check.stderr) };
  await order.folder.finish(lock);
  return { kind: "done" };
}

function optionsOf(order: SetupOrder): RunOptions {
  return {
    signal: order.signal,
    environment: {
      // uv trusts the authorities that the machine trusts, a company's own one, too: pip is told
      // by its configuration, which uv does not read. An older uv knows the first name alone.
      UV_NATIVE_TLS: "1",
      UV_SYSTEM_CERTS: "1",
      ...process.env,
      PYTHONUNBUFFERED: "1",
      PIP_DISABLE_PIP_VERSION_CHECK: "1",
    },
    onLine: (line) => {
      order.onLine(line);
      const step = stepOf(line);
      if (step !== undefined) order.say(step, 100 / STEPS);
    },
  };
}

/** Return the first interpreter that the locks are made for, and that can make environments. */
async function findPython(order: SetupOrder): Promise<string | undefined> {
  for (const command of interpreterNames(order.selectedPython)) {
    const interpreter = await ask(command, order.signal);
    if (interpreter && pythonFits(interpreter.version)) {
      // Debian's Python comes without ensurepip, and then makes no environment with pip.
      const { code } = await run(command, ["-c", "import venv, ensurepip"], {
        signal: order.signal,
      });
      if (code === 0) return command;
    }
  }
  return undefined;
}

async function ask(command: string, signal: AbortSignal): Promise<Interpreter | undefined> {
  const { code, stdout } = await run(command, ["--version"], { signal });
  const version = code === 0 ? parsePythonVersion(stdout) : undefined;
  return version && { command, version };
}

/** Let uv make the environment, with a Python that it fetches where there is none. */
async function pythonOfUv(order: SetupOrder, environment: string): Promise<string | undefined> {
  for (const version of PYTHON_VERSIONS) {
    order.say(`Asking uv for Python ${version}`, 0);
    const args = ["venv", "--seed", "--python", version, environment];
    const { code } = await run("uv", args, optionsOf(order));
    if (code === 0) return path.join(environment, "bin", "python");
    if (order.signal.aborted) return undefined;
  }
  return undefined;
}

async function wheelIn(bundle: string): Promise<string | undefined> {
  const names = await readdir(bundle).catch(() => []);
  const wheel = names.find((name) => name.endsWith(".whl"));
  return wheel && path.join(bundle, wheel);
}
