import assert from "node:assert/strict";
import { test } from "node:test";
import type { InlineCompletionContext, TextDocument } from "vscode";
import type { Cursor } from "../src/completion/cursorRest";
import { InlineProvider, type ProviderHost } from "../src/completion/provider";
import { Watchdog } from "../src/completion/watchdog";
import { openEventLog } from "../src/log/events";
import { Position } from "./vscode";

const DOCUMENT = { uri: "file:///a", version: 1, languageId: "python" } as unknown as TextDocument;

/** Return what the window has between VS Code and the client, where all is switched on. */
function providerWhere(switches: Partial<ProviderHost>): InlineProvider {
  const host: ProviderHost = {
    whyOff: () => undefined,
    snoozed: () => false,
    answers: () => true,
    loads: () => false,
    debounceMs: () => 0,
    accepted: () => {},
    cutOffOften: () => {},
    ...switches,
  };
  const timers = { setTimeout: () => undefined, clearTimeout: () => {} };
  const quiet = () => {};
  return new InlineProvider(host, new Watchdog(timers, () => 1, quiet, quiet), openEventLog({}));
}

test("completions come by themselves unless they are off or snoozed, or none can come", () => {
  assert.ok(providerWhere({}).offersIn(DOCUMENT));
  for (const switches of [
    { whyOff: () => "Completions are switched off." },
    { snoozed: () => true },
    { answers: () => false },
  ]) {
    assert.ok(!providerWhere(switches).offersIn(DOCUMENT));
  }
  const changes: string[] = [];
  const provider = providerWhere({});
  provider.onDidChangeOffers(() => changes.push("changed"));
  provider.engineChanged();
  assert.deepEqual(changes, ["changed"]);
});

test("a request is made known with its place, unless it is not sent", async () => {
  const asked: Cursor[] = [];
  const token = {
    isCancellationRequested: false,
    onCancellationRequested: () => ({ dispose() {} }),
  };
  for (const whyOff of [() => "off", () => undefined]) {
    const provider = providerWhere({ whyOff });
    provider.onDidAsk((place) => asked.push(place));
    await provider.provideInlineCompletionItems(
      DOCUMENT,
      new Position(4, 2) as never,
      { triggerKind: 1 } as InlineCompletionContext,
      token,
      async () => [],
    );
  }
  assert.deepEqual(asked, [{ uri: "file:///a", version: 1, line: 4, character: 2 }]);
});
