import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { FrameGuard } from "./frameGuard";

/** What is run as the server. */
export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string | undefined;
  readonly environment: NodeJS.ProcessEnv;
}

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Set where the process could not even be started. */
  readonly spawnError: string | undefined;
}

const KEPT_LINES = 20;
const PIPES_TIMEOUT_MS = 500;

/** One run of the server, with everything that it started. */
export class ServerProcess {
  /** Resolved when the process is gone. */
  readonly exited: Promise<Exit>;
  /** The frames that the server sends. */
  readonly output: FrameGuard;
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly lastLines: string[] = [];
  private gone = false;

  /**
   * @param launch What to run.
   * @param onLine Called with each line of the server's log.
   * @param onGarbage Called with the bytes that the server wrote beside its messages.
   */
  constructor(launch: Launch, onLine: (line: string) => void, onGarbage: (bytes: number) => void) {
    // A process group of its own, so that everything in it can be ended at once.
    this.child = spawn(launch.command, [...launch.args], {
      cwd: launch.cwd,
      env: launch.environment,
      stdio: ["pipe", "pipe", "pipe"],
      detached: process.platform !== "win32",
    });
    this.output = new FrameGuard(onGarbage);
    this.child.stdout.pipe(this.output);
    // The server is gone while something is written: `exited` reports its end.
    this.child.stdin.on("error", () => {});
    createInterface({ input: this.child.stderr, crlfDelay: Number.POSITIVE_INFINITY }).on(
      "line",
      (line) => {
        this.lastLines.push(line);
        if (this.lastLines.length > KEPT_LINES) this.lastLines.shift();
        onLine(line);
      },
    );
    this.exited = new Promise((resolve) => {
      const finish = (exit: Exit): void => {
        this.gone = true;
        this.output.end();
        resolve(exit);
      };
      this.child.once("error", (error) =>
        finish({ code: null, signal: null, spawnError: error.message }),
      );
      this.child.once("exit", (code, signal) => {
        // What it had started holds the pipes open, and has nobody to serve any more.
        if (this.child.pid !== undefined) killTree(this.child.pid);
        const end = (): void => finish({ code, signal, spawnError: undefined });
        const timer = setTimeout(end, PIPES_TIMEOUT_MS);
        this.child.once("close", () => {
          clearTimeout(timer);
          end();
        });
      });
    });
  }

  /** The process id; undefined where the process could not be started. */
  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Where messages to the server are written. */
  get input(): NodeJS.WritableStream {
    return this.child.stdin;
  }

  /** The last lines of the server's log. */
  get logTail(): readonly string[] {
    return this.lastLines;
  }

  /** End the process and everything that it started, at once, and wait until it is gone. */
  async kill(): Promise<void> {
    if (!this.gone && this.child.pid !== undefined) killTree(this.child.pid);
    await this.exited;
  }

  /** Wait for the process to end by itself, then kill it; tell whether it ended by itself. */
  async endWithin(timeoutMs: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), timeoutMs);
    });
    const byItself = await Promise.race([this.exited.then(() => true), late]);
    clearTimeout(timer);
    if (!byItself) await this.kill();
    return byItself;
  }
}

/** End a process and its children, whatever state they are in. */
export function killTree(pid: number): void {
  if (process.platform === "win32") {
    spawn("taskkill", ["/pid", String(pid), "/t", "/f"], { stdio: "ignore" });
    return;
  }
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // The group is gone already.
  }
}
