import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { killTree } from "./process";

/** How a command ended, and what it said. */
export interface RunResult {
  /** The exit status; null where a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly cancelled: boolean;
}

/** How a command is run. */
export interface RunOptions {
  readonly environment?: NodeJS.ProcessEnv;
  readonly cwd?: string | undefined;
  /** Called with each line of output and of errors. */
  readonly onLine?: (line: string) => void;
  readonly signal?: AbortSignal;
}

/** Run a command to its end; aborting ends it and everything that it started. */
export function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const { environment = process.env, cwd, onLine = () => {}, signal } = options;
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve({ code: null, stdout: "", stderr: "", cancelled: true });
      return;
    }
    const child = spawn(command, [...args], {
      cwd,
      env: environment,
      stdio: ["ignore", "pipe", "pipe"],
      detached: process.platform !== "win32",
    });
    const abort = (): void => {
      if (child.pid !== undefined) killTree(child.pid);
    };
    signal?.addEventListener("abort", abort, { once: true });
    const said = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8");
      child[name].on("data", (text: string) => {
        said[name] += text;
      });
      createInterface({ input: child[name], crlfDelay: Number.POSITIVE_INFINITY }).on(
        "line",
        onLine,
      );
    }
    const finish = (code: number | null, stderr: string): void => {
      signal?.removeEventListener("abort", abort);
      resolve({ code, stdout: said.stdout, stderr, cancelled: signal?.aborted ?? false });
    };
    child.once("error", (error) => finish(null, error.message));
    child.once("close", (code) => finish(code, said.stderr));
  });
}

/** Return the last line with something in it. */
export function lastLine(text: string): string {
  return (
    text
      .split("\n")
      .map((line) => line.trim())
      .filter(Boolean)
      .at(-1) ?? ""
  );
}
