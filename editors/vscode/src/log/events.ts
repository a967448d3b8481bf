import { createWriteStream, type WriteStream } from "node:fs";

/** A value that may stand in an event: never source text, only names, numbers and states. */
export type EventValue = string | number | boolean | null | readonly string[];

/** Records what the extension does, for tests and for measuring. */
export interface EventLog {
  /** Append one event; returns at once, whatever happens to the file. */
  record(event: string, values?: Readonly<Record<string, EventValue>>): void;
  /** Write what is still waiting. */
  close(): Promise<void>;
}

/** The log of a window where nobody asked for one. */
class NoEventLog implements EventLog {
  record(): void {}

  async close(): Promise<void> {}
}

/** Appends one JSON line per event to a file. */
class FileEventLog implements EventLog {
  private readonly stream: WriteStream;

  constructor(path: string) {
    this.stream = createWriteStream(path, { flags: "a" });
    // A full disk must not end the extension host: the events are lost, nothing else.
    this.stream.on("error", () => {});
  }

  record(event: string, values: Readonly<Record<string, EventValue>> = {}): void {
    this.stream.write(`${JSON.stringify({ t: Date.now(), event, pid: process.pid, ...values })}\n`);
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.stream.end(() => resolve()));
  }
}

/** Open the event log that `MIDFILL_VSCODE_LOG` names; without it, one that keeps nothing. */
export function openEventLog(environment: NodeJS.ProcessEnv): EventLog {
  const path = environment.MIDFILL_VSCODE_LOG;
  return path ? new FileEventLog(path) : new NoEventLog();
}
