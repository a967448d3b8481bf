import assert from "node:assert/strict";
import { test } from "node:test";
import type { TraceResult } from "../src/server/protocol";
import { modelDetail, parseModels } from "../src/ui/modelList";
import { traceText } from "../src/ui/traceText";

const TRACE: TraceResult = {
  requestId: "r1",
  uri: "file:///a.py",
  line: 1,
  character: 4,
  trigger: "automatic",
  scope: "line",
  prompt: "<|fim_prefix|>a```b",
  snippets: [{ path: "lib/b.py", source: "open_tabs", chars: 120 }],
  promptTokens: 12,
  cachedTokens: 8,
  generated: ["x + 1)"],
  cuts: [{ filter: "brackets", before: "x + 1)", after: "x + 1" }],
  shown: ["x + 1"],
  outcome: "shown",
  reason: null,
  ttftMs: 41.6,
  totalMs: 99.2,
  outputTokens: 4,
  source: "cache",
};

test("a trace tells what was asked, written, cut and shown, counting as people do", () => {
  const text = traceText(TRACE);
  for (const part of [
    "line 2, character 5",
    "99 ms, first token after 42 ms",
    "### brackets",
    "12 read (8 of them",
    "- From: cache",
    "- lib/b.py (open_tabs), 120 characters",
  ]) {
    assert.ok(text.includes(part), part);
  }
});

test("text with backticks in it does not end its fence", () => {
  assert.ok(traceText(TRACE).includes("````\n<|fim_prefix|>a```b\n````"));
});

test("a completion that showed nothing says why", () => {
  const text = traceText({
    ...TRACE,
    outcome: "empty",
    shown: [],
    ttftMs: null,
    reason: "The model wrote nothing.",
  });
  assert.match(text, /Nothing was offered\.\*\* {2}\nThe model wrote nothing\./);
  assert.match(text, /first token after never/);
  assert.match(traceText({ ...TRACE, snippets: [] }), /other files\n\nNone\./);
  assert.match(traceText(null), /Nothing has been completed/);
});

test("the registry's list is read, and anything else is no list", () => {
  const models = parseModels(
    JSON.stringify([
      {
        name: "s",
        parameters: 88_099_584,
        licence: "Apache-2.0",
        shipped: true,
        note: "",
        checkpoint: null,
      },
      {
        name: "q",
        parameters: 7_620_000_000,
        licence: "MIT",
        shipped: false,
        note: "n",
        checkpoint: { weights_bytes: 5 },
      },
    ]),
  );
  assert.deepEqual(models?.map(modelDetail), [
    "88.1M parameters · Apache-2.0 · part of this installation",
    "7.62B parameters · MIT · n",
  ]);
  assert.equal(models?.[1]?.weightsBytes, 5);
  for (const text of ["", "{}", "[{}]", "Traceback"]) assert.equal(parseModels(text), undefined);
});
