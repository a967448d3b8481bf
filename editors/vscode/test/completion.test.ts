import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { EarlyRequest, type Place } from "../src/completion/askAgain";
import { type CancelledRequest, CutoffCounter, isCutOff } from "../src/completion/cutoff";
import { type Cancellation, HeldRequests, pause } from "../src/completion/held";
import { hangLimitMs, Watchdog } from "../src/completion/watchdog";

const PLACE: Place = { uri: "file:///a", version: 3, line: 1, character: 4 };
const CUT: CancelledRequest = {
  automatic: true,
  behindWord: true,
  afterMs: 770,
  unchanged: true,
  quickSuggestions: "offWhenInlineCompletions",
};

test("a request that came too early is asked again once, where the cursor still is", () => {
  const early = new EarlyRequest();
  early.unanswered(PLACE);
  assert.ok(early.takeUp(PLACE));
  assert.ok(early.isRepeat(PLACE));
  assert.ok(!early.isRepeat(PLACE));
  assert.ok(!early.takeUp(PLACE));
});

test("it is not asked again where cursor, text or file have changed, or nobody has it", () => {
  for (const other of [{ character: 5 }, { version: 4 }, { uri: "file:///b" }]) {
    const early = new EarlyRequest();
    early.unanswered(PLACE);
    assert.ok(!early.takeUp({ ...PLACE, ...other }));
  }
  const early = new EarlyRequest();
  early.unanswered(PLACE);
  assert.ok(!early.takeUp(undefined));
  assert.ok(!early.takeUp(PLACE));
});

test("what was typed before anything could be asked is asked for where typing left the cursor", () => {
  const typed = { uri: "file:///a", version: 3, start: { line: 1, character: 4 } };
  const takesUp = (text: string, cursor: Partial<Place>): boolean => {
    const early = new EarlyRequest();
    early.typed({ ...typed, text });
    return early.takeUp({ ...PLACE, ...cursor });
  };
  assert.ok(takesUp("x", { character: 5 }));
  assert.ok(takesUp("()", { character: 5 }));
  assert.ok(takesUp("\n    ", { line: 2, character: 4 }));
  assert.ok(takesUp("", { character: 4 }));
  assert.ok(!takesUp("x", { character: 6 }));
  assert.ok(!takesUp("x", { character: 3 }));
  assert.ok(!takesUp("\n    ", { line: 2, character: 5 }));
  assert.ok(!takesUp("x", { character: 5, version: 4 }));
});

test("an answer in the meantime settles it", () => {
  const early = new EarlyRequest();
  early.unanswered(PLACE);
  early.answered();
  assert.ok(!early.takeUp(PLACE));
});

test("only what looks like VS Code's own limit counts as cut off", () => {
  assert.ok(isCutOff(CUT));
  const others: readonly Partial<CancelledRequest>[] = [
    { automatic: false },
    { behindWord: false },
    { unchanged: false },
    { afterMs: 120 },
    { afterMs: 2_000 },
    { quickSuggestions: "on" },
  ];
  for (const other of others) assert.ok(!isCutOff({ ...CUT, ...other }), JSON.stringify(other));
});

test("the user hears of cuts when they are many among the last requests, and once", () => {
  const counter = new CutoffCounter();
  const reported = Array.from({ length: 12 }, () => counter.note(true));
  assert.deepEqual(
    reported.map((value, index) => (value ? index : -1)).filter((index) => index >= 0),
    [4],
  );
});

test("rare cuts among many answers are not reported", () => {
  const counter = new CutoffCounter();
  for (let round = 0; round < 50; round++) {
    assert.ok(!counter.note(true));
    for (let answer = 0; answer < 9; answer++) assert.ok(!counter.note(false));
  }
});

/** A watchdog on fake timers, and what it has said. */
function watchdogOnFakeTimers(): { watchdog: Watchdog; said: string[] } {
  mock.timers.enable({ apis: ["setTimeout"] });
  const said: string[] = [];
  const timers = {
    setTimeout: (callback: () => void, delayMs: number) => setTimeout(callback, delayMs),
    clearTimeout: (timer: unknown) => clearTimeout(timer as NodeJS.Timeout | undefined),
  };
  const watchdog = new Watchdog(
    timers,
    () => 1_000,
    () => said.push("hangs"),
    () => said.push("answers"),
  );
  return { watchdog, said };
}

test("a server that answers nothing for too long is reported once, and its return too", (t) => {
  t.after(() => mock.timers.reset());
  const { watchdog, said } = watchdogOnFakeTimers();
  watchdog.asked();
  mock.timers.tick(999);
  assert.deepEqual(said, []);
  watchdog.asked();
  mock.timers.tick(1);
  watchdog.asked();
  mock.timers.tick(5_000);
  assert.deepEqual(said, ["hangs"]);
  watchdog.answered();
  assert.deepEqual(said, ["hangs", "answers"]);
});

test("each answer buys the others time, and an idle server is not suspected", (t) => {
  t.after(() => mock.timers.reset());
  const { watchdog, said } = watchdogOnFakeTimers();
  watchdog.asked();
  watchdog.asked();
  mock.timers.tick(900);
  watchdog.answered();
  mock.timers.tick(900);
  watchdog.answered();
  mock.timers.tick(10_000);
  assert.deepEqual(said, []);
});

test("another server starts with a clean slate", (t) => {
  t.after(() => mock.timers.reset());
  const { watchdog, said } = watchdogOnFakeTimers();
  watchdog.asked();
  watchdog.reset();
  mock.timers.tick(10_000);
  assert.deepEqual(said, []);
});

test("the limit lies behind the server's own deadline", () => {
  assert.ok(hangLimitMs(10_000) > 10_000);
  assert.ok(hangLimitMs(0) > 60_000);
});

/** A token that a test cancels. */
class Token implements Cancellation {
  isCancellationRequested = false;
  readonly listeners = new Set<() => void>();

  onCancellationRequested(listener: () => void) {
    this.listeners.add(listener);
    return { dispose: () => this.listeners.delete(listener) };
  }

  cancel(): void {
    this.isCancellationRequested = true;
    for (const listener of [...this.listeners]) listener();
  }
}

test("a pause ends with its time, or at once where nobody waits any more", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const [waiting, withdrawn] = [new Token(), new Token()];
  const ended: string[] = [];
  const first = pause(250, waiting).then(() => ended.push("over"));
  const second = pause(250, withdrawn).then(() => ended.push("withdrawn"));
  mock.timers.tick(249);
  withdrawn.cancel();
  await second;
  assert.deepEqual(ended, ["withdrawn"]);
  mock.timers.tick(1);
  await first;
  mock.timers.reset();
  assert.deepEqual(ended, ["withdrawn", "over"]);
  assert.equal(waiting.listeners.size + withdrawn.listeners.size, 0);
  await pause(250, withdrawn);
});

test("requests by hand are kept until the engine is there, or they are taken back", async () => {
  const held = new HeldRequests();
  const [kept, withdrawn] = [new Token(), new Token()];
  const ended: string[] = [];
  const first = held.hold(kept).then(() => ended.push("kept"));
  const second = held.hold(withdrawn).then(() => ended.push("withdrawn"));
  withdrawn.cancel();
  await second;
  assert.deepEqual(ended, ["withdrawn"]);
  held.release();
  await first;
  assert.deepEqual(ended, ["withdrawn", "kept"]);
  assert.equal(kept.listeners.size + withdrawn.listeners.size, 0);
  await held.hold(withdrawn);
});
