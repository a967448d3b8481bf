import type { LogOutputChannel } from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";
import type { EventLog } from "../log/events";
import type { WireSettings } from "../settings/wire";
import { type ClientHooks, makeClient } from "./client";
import { type Exit, type Launch, ServerProcess } from "./process";

/** How long a server may take to answer `initialize`; its model is loaded afterwards. */
const INITIALIZE_TIMEOUT_MS = 30_000;
/** A server that writes more without a message is none, and only makes the editor slow. */
const MOST_GARBAGE_BYTES = 1_000_000;
/** How long a server may take for its first message after it wrote something else. */
const GARBAGE_TIMEOUT_MS = 10_000;
const SHUTDOWN_TIMEOUT_MS = 1_500;
const EXIT_TIMEOUT_MS = 2_500;

/** How the start of a server went. */
export type StartResult =
  | { readonly kind: "started"; readonly version: string; readonly sendsStatus: boolean }
  | { readonly kind: "exited"; readonly exit: Exit; readonly logTail: readonly string[] }
  | { readonly kind: "silent"; readonly garbageBytes: number }
  | { readonly kind: "refused"; readonly message: string };

/** One server process and the client that talks to it, from start to end. */
export class Session {
  readonly process: ServerProcess;
  readonly client: LanguageClient;
  private stopping: Promise<void> | undefined;
  private nextGarbageTold = 1;
  private garbageTimer: NodeJS.Timeout | undefined;
  private giveUp: () => void = () => {};

  constructor(
    launch: Launch,
    settings: WireSettings,
    channel: LogOutputChannel,
    hooks: ClientHooks,
    private readonly log: EventLog,
  ) {
    this.process = new ServerProcess(
      launch,
      (line) => logLine(channel, line),
      () => this.garbageCame(channel),
    );
    this.client = makeClient(this.process, settings, channel, hooks, log);
    log.record("server.start", { command: launch.command, server_pid: this.process.pid ?? null });
  }

  /** Whether this session was asked to end. */
  get isStopping(): boolean {
    return this.stopping !== undefined;
  }

  /** Tell of bytes that are no message: the first, and ten times as many; end what never stops. */
  private garbageCame(channel: LogOutputChannel): void {
    const bytes = this.process.output.garbageBytes;
    if (this.process.output.frames === 0) {
      this.garbageTimer ??= setTimeout(() => {
        if (this.process.output.frames === 0) this.giveUp();
      }, GARBAGE_TIMEOUT_MS);
    }
    if (bytes >= this.nextGarbageTold) {
      this.nextGarbageTold = bytes * 10;
      channel.warn(`The server wrote ${bytes} bytes that are no message; they are dropped.`);
      this.log.record("server.garbage", { bytes });
    }
    if (this.process.output.garbageSinceFrame > MOST_GARBAGE_BYTES) void this.process.kill();
  }

  /** Start, and wait until the server has answered or has failed to. */
  async start(): Promise<StartResult> {
    const late = new Promise<"late">((resolve) => {
      this.giveUp = () => resolve("late");
    });
    const timer = setTimeout(this.giveUp, INITIALIZE_TIMEOUT_MS);
    const started = this.client.start().then(
      () => "started" as const,
      (error: unknown) => ({ message: error instanceof Error ? error.message : String(error) }),
    );
    const first = await Promise.race([started, late, this.process.exited]);
    clearTimeout(timer);
    clearTimeout(this.garbageTimer);
    if (first === "started") {
      const result = this.client.initializeResult;
      return {
        kind: "started",
        version: result?.serverInfo?.version ?? "",
        sendsStatus: result?.capabilities.experimental?.midfill?.status === true,
      };
    }
    if (first === "late") return { kind: "silent", garbageBytes: this.process.output.garbageBytes };
    if ("code" in first) return this.exitedResult(first);
    // A process that ends breaks the connection first; its end says more.
    if (await this.process.endWithin(500)) return this.exitedResult(await this.process.exited);
    return { kind: "refused", message: first.message };
  }

  private exitedResult(exit: Exit): StartResult {
    const { garbageBytes, garbageSinceFrame } = this.process.output;
    if (garbageSinceFrame > MOST_GARBAGE_BYTES) return { kind: "silent", garbageBytes };
    return { kind: "exited", exit, logTail: this.process.logTail };
  }

  /** End the server, politely at first; nothing of it is left afterwards. */
  stop(): Promise<void> {
    this.stopping ??= this.end();
    return this.stopping;
  }

  private async end(): Promise<void> {
    const began = performance.now();
    let polite = this.client.isRunning();
    let answeredMs: number | null = null;
    try {
      if (polite) {
        await this.client.stop(SHUTDOWN_TIMEOUT_MS);
        answeredMs = Math.round(performance.now() - began);
      }
    } catch {
      polite = false;
    }
    const byItself = polite ? await this.process.endWithin(EXIT_TIMEOUT_MS) : false;
    await this.process.kill();
    this.log.record("server.stopped", {
      polite: byItself,
      answered_ms: answeredMs,
      ms: Math.round(performance.now() - began),
      server_pid: this.process.pid ?? null,
    });
  }
}

/** Write a line of the server's log at its own level. */
function logLine(channel: LogOutputChannel, line: string): void {
  const level = /^\S+ (DEBUG|WARNING|ERROR|CRITICAL) /.exec(line)?.[1];
  if (level === "ERROR" || level === "CRITICAL") channel.error(line);
  else if (level === "WARNING") channel.warn(line);
  else if (level === "DEBUG") channel.debug(line);
  else channel.info(line);
}
