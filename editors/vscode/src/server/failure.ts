import type { Exit } from "./process";
import type { StartResult } from "./session";

/** What a button of a message does. */
export type Remedy = "setUp" | "choosePath" | "openSettings" | "showLog" | "restart" | "runDoctor";

/** What is written on the buttons. */
export const REMEDY_TITLES: Readonly<Record<Remedy, string>> = {
  setUp: "Set up server",
  choosePath: "Choose path…",
  openSettings: "Open settings",
  showLog: "Show log",
  restart: "Restart",
  runDoctor: "Run doctor",
};

/** Something that keeps Midfill from completing, and what helps. */
export interface Failure {
  /** What kind of failure it is, for the event log. */
  readonly key: string;
  readonly message: string;
  readonly remedies: readonly [Remedy, ...Remedy[]];
}

/** No server was found. */
export const NOT_INSTALLED: Failure = {
  key: "missing",
  message: "Midfill's server is not installed on this machine.",
  remedies: ["setUp", "choosePath"],
};

/** The setting `midfill.server.path` does not lead to a server. */
export function badPath(problem: string): Failure {
  return {
    key: "bad path",
    message: `Midfill cannot use midfill.server.path: ${problem}`,
    remedies: ["openSettings", "setUp"],
  };
}

/** The server did not come up. */
export function failedStart(
  command: string,
  result: Exclude<StartResult, { kind: "started" }>,
): Failure {
  const key = "start";
  switch (result.kind) {
    case "exited":
      return exitedAtStart(command, result.exit, result.logTail);
    case "silent":
      return result.garbageBytes > 0
        ? {
            key,
            message: `${command} is not Midfill's server: it writes something else than messages.`,
            remedies: ["openSettings", "showLog"],
          }
        : {
            key,
            message: "Midfill's server does not answer.",
            remedies: ["restart", "showLog"],
          };
    case "refused":
      return {
        key,
        message: `Midfill's server refused to start: ${result.message}`,
        remedies: ["showLog", "restart"],
      };
  }
}

function exitedAtStart(command: string, exit: Exit, logTail: readonly string[]): Failure {
  const key = "start";
  if (exit.spawnError !== undefined) {
    return {
      key,
      message: `Midfill cannot run ${command}: ${exit.spawnError}`,
      remedies: ["openSettings", "setUp"],
    };
  }
  const last = logTail.filter((line) => line.trim() !== "").at(-1);
  const why = last === undefined ? "" : ` Its last words: ${shortened(last)}`;
  return {
    key,
    message: `Midfill's server ended as it started (${exitText(exit)}).${why}`,
    remedies: ["showLog", "restart", "setUp"],
  };
}

/** The server has ended too often. */
export function endedTooOften(exit: Exit): Failure {
  return {
    key: "crashes",
    message: `Midfill's server keeps ending (${exitText(exit)}) and is not started again.`,
    remedies: ["restart", "showLog", "runDoctor"],
  };
}

/** A request was not answered for long. */
export const HANGS: Failure = {
  key: "hangs",
  message: "Midfill's server has stopped answering.",
  remedies: ["restart", "showLog"],
};

/** The server is of a version that this extension was not made for. */
export function wrongVersion(server: string, extension: string): Failure {
  return {
    key: "version",
    message: `Midfill's server is version ${server || "unknown"} and this extension ${extension}: they may misunderstand each other.`,
    remedies: ["setUp", "openSettings"],
  };
}

/** Say how a process ended. */
export function exitText(exit: Exit): string {
  if (exit.spawnError !== undefined) return exit.spawnError;
  return exit.signal ? `signal ${exit.signal}` : `exit status ${exit.code}`;
}

function shortened(text: string): string {
  return text.length <= 160 ? text : `${text.slice(0, 157)}…`;
}
