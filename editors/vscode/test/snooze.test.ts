import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { parseMinutes, Snooze } from "../src/state/snooze";

/** A snooze on a clock that moves only when a test moves it. */
function snoozeOnFakeTimers(): { snooze: Snooze; changes: () => number } {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
  let changes = 0;
  const clock = {
    now: () => Date.now(),
    setTimeout: (callback: () => void, delayMs: number) => setTimeout(callback, delayMs),
    clearTimeout: (timer: unknown) => clearTimeout(timer as NodeJS.Timeout | undefined),
  };
  const snooze = new Snooze(clock, () => {
    changes += 1;
  });
  return { snooze, changes: () => changes };
}

test("a snooze holds for its minutes, and its end is shown", (t) => {
  t.after(() => mock.timers.reset());
  const { snooze, changes } = snoozeOnFakeTimers();
  snooze.start(5);
  assert.equal(snooze.untilMs, 1_300_000);
  mock.timers.tick(299_999);
  assert.notEqual(snooze.untilMs, undefined);
  mock.timers.tick(1);
  assert.equal(snooze.untilMs, undefined);
  assert.equal(changes(), 2);
});

test("a second snooze replaces the first", (t) => {
  t.after(() => mock.timers.reset());
  const { snooze, changes } = snoozeOnFakeTimers();
  snooze.start(5);
  mock.timers.tick(240_000);
  snooze.start(5);
  mock.timers.tick(61_000);
  assert.notEqual(snooze.untilMs, undefined);
  mock.timers.tick(239_000);
  assert.equal(snooze.untilMs, undefined);
  assert.equal(changes(), 3);
});

test("a snooze can be ended early, and an end without a snooze says nothing", (t) => {
  t.after(() => mock.timers.reset());
  const { snooze, changes } = snoozeOnFakeTimers();
  snooze.end();
  assert.equal(changes(), 0);
  snooze.start(1);
  snooze.end();
  assert.equal(snooze.untilMs, undefined);
  assert.equal(changes(), 2);
  mock.timers.tick(60_000);
  assert.equal(changes(), 2);
});

test("a snooze that was over before the window came back ends at once", (t) => {
  t.after(() => mock.timers.reset());
  const { snooze } = snoozeOnFakeTimers();
  snooze.resume(999_000);
  assert.equal(snooze.untilMs, undefined);
});

test("minutes are whole, and a day at most", () => {
  assert.equal(parseMinutes(" 10 "), 10);
  for (const text of ["0", "-1", "1.5", "1441", "ten", "", "1e3"]) {
    assert.equal(parseMinutes(text), undefined, text);
  }
});
