/** What a set-up needs to know of the machine. */
export interface Machine {
  readonly platform: string;
  readonly architecture: string;
  /** Whether an NVIDIA GPU answers. */
  readonly nvidia: boolean;
  /** The setting `engine.device`. */
  readonly device: string;
}

/** A Python interpreter and its version. */
export interface Interpreter {
  readonly command: string;
  readonly version: readonly [number, number];
}

/** The locked requirements that are installed. */
export type Lock = "cpu" | "cuda";

/** Versions of Python that the locks are made for, the best first. */
export const PYTHON_VERSIONS = ["3.12", "3.11", "3.13"] as const;

/** Say why the server cannot be set up on a machine; undefined where it can. */
export function whyUnsupported(machine: Machine): string | undefined {
  if (machine.platform === "linux" && machine.architecture === "x64") return undefined;
  return `The server can be set up on Linux with an x86-64 processor, and this is ${machine.platform} on ${machine.architecture}. Run VS Code's remote server on such a machine, or set midfill.server.path.`;
}

/** Choose the requirements: those of CUDA where a GPU answers, unless the setting says otherwise. */
export function chooseLock(machine: Machine): Lock {
  if (machine.device === "cpu" || machine.device === "cuda") return machine.device;
  return machine.nvidia ? "cuda" : "cpu";
}

/** Read what `python --version` prints. */
export function parsePythonVersion(text: string): readonly [number, number] | undefined {
  const found = /^Python (\d+)\.(\d+)/.exec(text.trim());
  return found ? [Number(found[1]), Number(found[2])] : undefined;
}

/** Whether the locks are made for a version of Python. */
export function pythonFits(version: readonly [number, number]): boolean {
  return PYTHON_VERSIONS.some((fitting) => fitting === `${version[0]}.${version[1]}`);
}

/** List the interpreters to ask for their version, the best first. */
export function interpreterNames(selected: string | undefined): readonly string[] {
  const named = ["python3", ...PYTHON_VERSIONS.map((version) => `python${version}`)];
  return selected === undefined ? named : [...named, selected];
}

/** How many steps the installer tells of, about. */
export const STEPS = 6;

/** What a line of the installer's output says to a person; undefined where it says nothing. */
export function stepOf(line: string): string | undefined {
  const step = /^==> (.+?)( in \/.*)?$/.exec(line.trim())?.[1];
  return step === undefined ? undefined : step.charAt(0).toUpperCase() + step.slice(1);
}
