import assert from "node:assert/strict";
import { mock, test } from "node:test";
import type { Failure } from "../src/server/failure";
import type { Search } from "../src/server/find";
import type { Exit } from "../src/server/process";
import type { StatusParams } from "../src/server/protocol";
import type { StartResult } from "../src/server/session";
import { type SupervisedSession, Supervisor, type SupervisorHost } from "../src/server/supervisor";

const STARTED: StartResult = { kind: "started", version: "0.1.0", sendsStatus: true };
const KILLED: Exit = { code: null, signal: "SIGKILL", spawnError: undefined };

/** A promise and what settles it. */
function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

/** A server that answers, ends and dies when a test says so. */
class ScriptedSession implements SupervisedSession {
  isStopping = false;
  readonly exit = deferred<Exit>();
  readonly process = { exited: this.exit.promise };
  readonly answer = deferred<StartResult>();

  constructor(readonly tell: (status: StatusParams) => void) {}

  start(): Promise<StartResult> {
    return this.answer.promise;
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    this.exit.resolve(KILLED);
    this.answer.resolve({ kind: "exited", exit: KILLED, logTail: [] });
  }
}

/** Surroundings that remember what happened. */
class ScriptedHost implements SupervisorHost<ScriptedSession> {
  readonly extensionVersion = "0.1.0";
  readonly sessions: ScriptedSession[] = [];
  readonly failures: Failure[] = [];
  search: Search = { kind: "found", server: { command: "/bin/midfill", origin: "PATH" } };
  answersAtOnce: StartResult | undefined = STARTED;

  async find(): Promise<Search> {
    return this.search;
  }

  launchOf() {
    return { command: "/bin/midfill", args: [], cwd: undefined, environment: {} };
  }

  open(_launch: unknown, hooks: { readonly onStatus: (status: StatusParams) => void }) {
    const session = new ScriptedSession(hooks.onStatus);
    if (this.answersAtOnce) session.answer.resolve(this.answersAtOnce);
    this.sessions.push(session);
    return session;
  }

  announce(failure: Failure): void {
    this.failures.push(failure);
  }

  changed(): void {}
  recovered(): void {}
}

/** Let everything that waits for nothing but its turn run. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

test("a server that starts is loading until it says that it is ready", async () => {
  const host = new ScriptedHost();
  const supervisor = new Supervisor(host);
  supervisor.ensureStarted();
  supervisor.ensureStarted();
  await settle();
  assert.equal(host.sessions.length, 1);
  assert.equal(supervisor.state.kind === "running" && supervisor.state.engine.kind, "loading");
  host.sessions[0]?.tell({ state: "ready", message: "", model: "m", device: "cpu" });
  assert.equal(supervisor.state.kind === "running" && supervisor.state.engine.kind, "ready");
});

test("a status that comes before the start is over is not lost", async () => {
  const host = new ScriptedHost();
  host.answersAtOnce = undefined;
  const supervisor = new Supervisor(host);
  supervisor.ensureStarted();
  await settle();
  host.sessions[0]?.tell({ state: "ready", message: "", model: "m", device: "cpu" });
  host.sessions[0]?.answer.resolve(STARTED);
  await settle();
  assert.equal(supervisor.state.kind === "running" && supervisor.state.engine.kind, "ready");
});

test("a restart does not wait for a start that hangs, and says nothing of it", async () => {
  const host = new ScriptedHost();
  host.answersAtOnce = undefined;
  const supervisor = new Supervisor(host);
  supervisor.ensureStarted();
  await settle();
  host.answersAtOnce = STARTED;
  await supervisor.restart();
  assert.equal(host.sessions.length, 2);
  assert.equal(supervisor.state.kind, "running");
  assert.deepEqual(host.failures, []);
});

test("after the end nothing is started any more", async () => {
  const host = new ScriptedHost();
  const supervisor = new Supervisor(host);
  supervisor.ensureStarted();
  await settle();
  await supervisor.stop();
  await supervisor.restart();
  supervisor.ensureStarted();
  await settle();
  assert.equal(host.sessions.length, 1);
  assert.equal(host.sessions[0]?.isStopping, true);
});

test("no server is reported once, and found when it is there", async () => {
  const host = new ScriptedHost();
  const found = host.search;
  host.search = { kind: "missing" };
  const supervisor = new Supervisor(host);
  supervisor.ensureStarted();
  await settle();
  assert.equal(supervisor.state.kind, "missing");
  assert.equal(host.failures[0]?.key, "missing");
  host.search = found;
  supervisor.lookAgain();
  await settle();
  assert.equal(supervisor.state.kind, "running");
});

test("a server that dies is started again, and given up when it keeps dying", async (t) => {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000 });
  t.after(() => mock.timers.reset());
  const host = new ScriptedHost();
  const supervisor = new Supervisor(host);
  supervisor.ensureStarted();
  await settle();
  for (let death = 1; death <= 5; death++) {
    host.sessions.at(-1)?.exit.resolve(KILLED);
    await settle();
    mock.timers.tick(5_000);
    await settle();
    assert.equal(host.sessions.length, Math.min(death + 1, 5));
  }
  assert.equal(supervisor.state.kind, "failed");
  assert.deepEqual(
    host.failures.map((failure) => failure.key),
    ["crashes"],
  );
  await supervisor.restart();
  assert.equal(supervisor.state.kind, "running");
});

test("a server that fails at the start is not tried again by itself", async () => {
  const host = new ScriptedHost();
  host.answersAtOnce = {
    kind: "exited",
    exit: { ...KILLED, code: 1, signal: null },
    logTail: ["no"],
  };
  const supervisor = new Supervisor(host);
  supervisor.ensureStarted();
  await settle();
  assert.equal(supervisor.state.kind, "failed");
  assert.equal(host.sessions.length, 1);
  assert.equal(host.failures.length, 1);
});

test("a hang is reported, and taken back when the server answers after all", async () => {
  const host = new ScriptedHost();
  const supervisor = new Supervisor(host);
  supervisor.ensureStarted();
  await settle();
  supervisor.serverHangs();
  assert.equal(supervisor.state.kind, "failed");
  supervisor.serverAnswers();
  assert.equal(supervisor.state.kind, "running");
});

test("a server of another version runs, and a message says so", async () => {
  const host = new ScriptedHost();
  host.answersAtOnce = { ...STARTED, version: "0.2.0" };
  const supervisor = new Supervisor(host);
  supervisor.ensureStarted();
  await settle();
  assert.equal(supervisor.state.kind, "running");
  assert.deepEqual(
    host.failures.map((failure) => failure.key),
    ["version"],
  );
});
