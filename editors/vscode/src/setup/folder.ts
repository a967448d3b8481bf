import { existsSync } from "node:fs";
import { mkdir, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import * as path from "node:path";

const MARKER = "midfill-ready.json";
const LOCK = "set-up.lock";

/** The folder of servers that this extension has set up: one for each of its versions. */
export class SetupFolder {
  /**
   * @param root A folder that only this extension uses.
   * @param version The extension's version.
   */
  constructor(
    private readonly root: string,
    private readonly version: string,
  ) {}

  /** The environment of this version, whether it is there or not. */
  get environment(): string {
    return path.join(this.root, this.version);
  }

  /** Whether the environment was set up to its end. */
  get isReady(): boolean {
    return existsSync(path.join(this.environment, MARKER));
  }

  /** Make an empty place for a set-up; what a failed one has left goes. */
  async clear(): Promise<void> {
    await rm(this.environment, { recursive: true, force: true });
    await mkdir(this.root, { recursive: true });
  }

  /** Note that the environment is whole, and remove those of other versions. */
  async finish(lock: string): Promise<void> {
    const facts = JSON.stringify({ version: this.version, lock });
    await writeFile(path.join(this.environment, MARKER), facts);
    for (const name of await readdir(this.root)) {
      if (name !== this.version && name !== LOCK) {
        await rm(path.join(this.root, name), { recursive: true, force: true });
      }
    }
  }

  /**
   * Take the right to set up; undefined while another window has it.
   *
   * The right of a window that is gone is void.
   */
  async claim(pid: number = process.pid): Promise<(() => Promise<void>) | undefined> {
    const file = path.join(this.root, LOCK);
    await mkdir(this.root, { recursive: true });
    for (let attempt = 0; attempt < 2; attempt++) {
      try {
        const handle = await open(file, "wx");
        await handle.writeFile(String(pid));
        await handle.close();
        return () => rm(file, { force: true });
      } catch (error) {
        if (!isCode(error, "EEXIST")) throw error;
        if (isAlive(Number(await readFile(file, "utf8").catch(() => "")))) return undefined;
        await rm(file, { force: true });
      }
    }
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Not allowed to ask means that it is there.
    return isCode(error, "EPERM");
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
