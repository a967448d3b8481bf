import assert from "node:assert/strict";
import { test } from "node:test";
import type { StatusParams } from "../src/server/protocol";
import {
  answers,
  applyStatus,
  debounceMs,
  type EngineState,
  type ServerState,
} from "../src/state/server";
import { type Situation, statusView } from "../src/state/view";

const NONE = new Map<string, string>();
const READY: EngineState = { kind: "ready", model: "m", device: "cpu" };
const running = (engine: EngineState): ServerState => ({
  kind: "running",
  engine,
  version: "0.1.0",
});
const status = (params: Partial<StatusParams> & Pick<StatusParams, "state">): StatusParams => ({
  message: "",
  ...params,
});
const situation = (server: ServerState, rest: Partial<Situation> = {}): Situation => ({
  server,
  enabled: true,
  snoozedUntil: undefined,
  documentOff: undefined,
  ...rest,
});

test("a percentage never falls within one load, and begins anew with the next", () => {
  let engine: EngineState = { kind: "loading", percent: undefined, message: "" };
  const seen: (number | undefined)[] = [];
  for (const percent of [undefined, 10, 42, 40, undefined, 60]) {
    engine = applyStatus(
      engine,
      NONE,
      status({ state: "loading", ...(percent && { percent }) }),
    ).engine;
    seen.push(engine.kind === "loading" ? engine.percent : undefined);
  }
  assert.deepEqual(seen, [undefined, 10, 42, 42, 42, 60]);
  engine = applyStatus(READY, NONE, status({ state: "restarting", percent: 5 })).engine;
  assert.deepEqual(engine, { kind: "loading", percent: 5, message: "" });
});

test("busy keeps the model and device that ready has named", () => {
  const { engine } = applyStatus(READY, NONE, status({ state: "busy" }));
  assert.deepEqual(engine, { kind: "busy", model: "m", device: "cpu", debounceMs: 0 });
});

test("requests wait as long as an overloaded server says, until it is ready", () => {
  const waits = [250, 500, null].map((said) => {
    const { engine } = applyStatus(READY, NONE, status({ state: "busy", debounceMs: said }));
    return debounceMs(running(engine));
  });
  assert.deepEqual(waits, [250, 500, 0]);
  assert.equal(debounceMs(running(READY)), 0);
  assert.equal(debounceMs({ kind: "starting" }), 0);
});

test("off about one document leaves the engine ready", () => {
  const change = applyStatus(
    READY,
    NONE,
    status({ state: "off", uri: "file:///a", reason: "too large" }),
  );
  assert.equal(change.engine, READY);
  assert.equal(change.documents.get("file:///a"), "too large");
  assert.equal(NONE.size, 0);
});

test("ready takes back what was said of documents", () => {
  const off = new Map([["file:///a", "too large"]]);
  assert.equal(applyStatus(READY, off, status({ state: "busy" })).documents, off);
  assert.equal(applyStatus(READY, off, status({ state: "ready" })).documents.size, 0);
});

test("a state that this extension does not know changes nothing", () => {
  const unknown = { state: "dreaming", message: "" } as unknown as StatusParams;
  assert.equal(applyStatus(READY, NONE, unknown).engine, READY);
});

test("only a ready or busy engine answers", () => {
  assert.ok(answers(running(READY)));
  assert.ok(!answers(running({ kind: "loading", percent: 99, message: "" })));
  assert.ok(!answers({ kind: "starting" }));
});

test("the status item shows each state with its icon", () => {
  const text = (value: Situation): string => statusView(value).text;
  assert.equal(
    text(situation(running({ kind: "loading", percent: 42.9, message: "" }))),
    "$(loading~spin) Midfill 42%",
  );
  assert.equal(text(situation(running(READY))), "$(sparkle) Midfill");
  assert.equal(
    text(situation(running(READY), { snoozedUntil: "12:00" })),
    "$(circle-slash) Midfill",
  );
  assert.equal(
    text(situation(running(READY), { documentOff: "too large" })),
    "$(circle-slash) Midfill",
  );
  assert.equal(text(situation(running(READY), { enabled: false })), "$(circle-slash) Midfill");
  assert.equal(text(situation({ kind: "missing" })), "$(error) Midfill");
});

test("ready names the model and device, an error what to do", () => {
  assert.equal(statusView(situation(running(READY))).tooltip, "m on cpu");
  const failed: EngineState = {
    kind: "error",
    message: "No such model.",
    remedy: "Choose another.",
  };
  assert.equal(statusView(situation(running(failed))).tooltip, "No such model.\nChoose another.");
});

test("what the user must act on comes before a snooze, switching off before everything", () => {
  const missing = situation({ kind: "missing" }, { snoozedUntil: "12:00" });
  assert.equal(statusView(missing).kind, "error");
  assert.equal(statusView({ ...missing, enabled: false }).kind, "off");
});
