import assert from "node:assert/strict";
import { mock, type TestContext, test } from "node:test";
import type { TextDocument } from "vscode";
import type { LanguageClient, ServerCapabilities } from "vscode-languageclient/node";
import type { Cursor } from "../src/completion/cursorRest";
import { openEventLog } from "../src/log/events";
import { type CursorHost, CursorSender } from "../src/server/cursor";
import {
  activeEditorChanged,
  documentChanged,
  FakeDocument,
  FakeEditor,
  FakeEvent,
  Position,
  selectionChanged,
  window,
} from "./vscode";

const A = "file:///a";
const B = "file:///b";
const ADVERTISED: ServerCapabilities = { experimental: { midfill: { cursor: true } } };
/** A window with one editor, whose cursor rests at line 0 of A, and what its server is sent. */
class ScriptedWindow {
  readonly sent: string[] = [];
  readonly asked = new FakeEvent<Cursor>();
  readonly offersChanged = new FakeEvent<void>();
  readonly editor = new FakeEditor(new FakeDocument(A));
  readonly sender: CursorSender;
  offers = true;

  constructor(t: TestContext, capabilities = ADVERTISED) {
    mock.timers.enable({ apis: ["setTimeout", "Date"] });
    const host: CursorHost = {
      offersIn: () => this.offers,
      onDidAsk: this.asked.event,
      onDidChangeOffers: this.offersChanged.event,
    };
    const client = {
      code2ProtocolConverter: {
        asTextDocumentPositionParams: ({ uri }: TextDocument, position: Position) =>
          `${uri}:${position.line}:${position.character}`,
      },
      sendNotification: async (method: string, params: string) => {
        this.sent.push(`${method} ${params}`);
      },
    } as unknown as LanguageClient;
    window.activeTextEditor = this.editor;
    this.sender = new CursorSender(client, host, openEventLog({}));
    this.sender.initialize(capabilities);
    t.after(() => {
      this.sender.clear();
      mock.timers.reset();
    });
  }

  /** Put the cursor on a line, and let so much time pass. */
  move(line: number, restMs = 150, character = 0): void {
    this.editor.put(line, character);
    selectionChanged.fire({ textEditor: this.editor });
    mock.timers.tick(restMs);
  }

  /** Edit a line of the document, and have VS Code put the cursor where it leaves it. */
  edit(line: number, text: string, cursorLine = line, restMs = 150): void {
    documentChanged.fire({
      document: this.editor.document,
      contentChanges: [{ range: { start: new Position(line, 0) }, text }],
    });
    mock.timers.tick(5);
    this.move(cursorLine, restMs);
  }

  /** Return what was sent since the last call. */
  news(): readonly string[] {
    return this.sent.splice(0);
  }
}

/** Return a window whose server was told of line 0, where the cursor is at first. */
function toldOfLine0(t: TestContext): ScriptedWindow {
  const scripted = new ScriptedWindow(t);
  mock.timers.tick(150);
  assert.deepEqual(scripted.news(), [`midfill/cursor ${A}:0:0`]);
  return scripted;
}

test("the server is told of a cursor that rests for 150 ms at another place", (t) => {
  const scripted = toldOfLine0(t);
  scripted.move(7, 149, 3);
  assert.deepEqual(scripted.news(), []);
  mock.timers.tick(1);
  assert.deepEqual(scripted.news(), [`midfill/cursor ${A}:7:3`]);
  mock.timers.tick(10_000);
  scripted.move(7, 150, 3);
  assert.deepEqual(scripted.news(), []);
  scripted.move(7, 150, 9);
  assert.deepEqual(scripted.news(), [`midfill/cursor ${A}:7:9`]);
});

test("a cursor on its way is not told of", (t) => {
  const scripted = toldOfLine0(t);
  for (let line = 1; line < 20; line++) scripted.move(line, 100);
  assert.deepEqual(scripted.news(), []);
  mock.timers.tick(50);
  assert.deepEqual(scripted.news(), [`midfill/cursor ${A}:19:0`]);
  scripted.move(30, 100);
  scripted.move(19);
  assert.deepEqual(scripted.news(), []);
});

test("another document is another place, also at the same line", (t) => {
  const scripted = toldOfLine0(t);
  const other = new FakeEditor(new FakeDocument(B));
  window.activeTextEditor = other;
  activeEditorChanged.fire(other);
  mock.timers.tick(150);
  assert.deepEqual(scripted.news(), [`midfill/cursor ${B}:0:0`]);
  other.put(5);
  selectionChanged.fire({ textEditor: other });
  mock.timers.tick(100);
  window.activeTextEditor = scripted.editor;
  mock.timers.tick(50);
  assert.deepEqual(scripted.news(), [], "the other one is active before anybody tells");
  window.activeTextEditor = undefined;
  activeEditorChanged.fire(undefined);
  mock.timers.tick(150);
  assert.deepEqual(scripted.news(), [], "no editor is active");
});

test("the cursor of an editor beside the active one is not told of", (t) => {
  const scripted = toldOfLine0(t);
  window.activeTextEditor = new FakeEditor(scripted.editor.document);
  scripted.move(4);
  assert.deepEqual(scripted.news(), []);
});

test("several cursors and a selected text are no place", (t) => {
  const scripted = toldOfLine0(t);
  const active = new Position(9, 0);
  for (const selections of [
    [
      { isEmpty: true, active },
      { isEmpty: true, active: new Position(10, 0) },
    ],
    [{ isEmpty: false, active }],
  ]) {
    scripted.move(8, 100);
    scripted.editor.selections = selections;
    selectionChanged.fire({ textEditor: scripted.editor });
    mock.timers.tick(150);
    assert.deepEqual(scripted.news(), []);
  }
});

test("where an edit leaves the cursor, the server is asked anyway", (t) => {
  const scripted = toldOfLine0(t);
  scripted.edit(3, "x");
  scripted.edit(3, "\n", 4);
  // A bracket's pair puts the cursor before the end of what was written.
  scripted.edit(4, "{\n    \n}", 5);
  assert.deepEqual(scripted.news(), []);
  scripted.move(5, 150, 2);
  assert.deepEqual(scripted.news(), [`midfill/cursor ${A}:5:2`]);
  scripted.move(4);
  assert.deepEqual(scripted.news(), [`midfill/cursor ${A}:4:0`]);
  scripted.edit(5, "x", 5, 10);
  scripted.move(4);
  assert.deepEqual(scripted.news(), [`midfill/cursor ${A}:4:0`], "a jump at once behind it");
});

test("a line that was edited with the cursor left where it is is known", (t) => {
  const scripted = toldOfLine0(t);
  scripted.move(6, 100);
  const { document } = scripted.editor;
  const change = { range: { start: new Position(6, 0) }, text: "" };
  documentChanged.fire({ document, contentChanges: [change] });
  mock.timers.tick(150);
  documentChanged.fire({ document, contentChanges: [{ ...change, text: "a\nb" }] });
  mock.timers.tick(100);
  scripted.move(7, 150, 1);
  assert.deepEqual(scripted.news(), []);
  scripted.move(6);
  assert.deepEqual(scripted.news(), [`midfill/cursor ${A}:6:0`]);
});

test("an edit of another document, or of no text, hides no move", (t) => {
  const scripted = toldOfLine0(t);
  const contentChanges = [{ range: { start: new Position(2, 0) }, text: "" }];
  documentChanged.fire({ document: new FakeDocument(B), contentChanges });
  documentChanged.fire({ document: scripted.editor.document, contentChanges: [] });
  scripted.move(0);
  assert.deepEqual(scripted.news(), []);
  scripted.move(2);
  assert.deepEqual(scripted.news(), [`midfill/cursor ${A}:2:0`]);
});

test("a place for which a completion was asked is known", (t) => {
  const scripted = toldOfLine0(t);
  scripted.move(2, 100);
  scripted.asked.fire({ uri: A, line: 2, character: 0 });
  mock.timers.tick(150);
  assert.deepEqual(scripted.news(), []);
  scripted.move(0);
  assert.deepEqual(scripted.news(), [`midfill/cursor ${A}:0:0`], "where it was told of before");
});

test("where no completion comes by itself nothing is sent, until one does", (t) => {
  const scripted = toldOfLine0(t);
  scripted.offers = false;
  scripted.move(2);
  scripted.offersChanged.fire();
  scripted.move(3);
  assert.deepEqual(scripted.news(), []);
  scripted.offers = true;
  scripted.offersChanged.fire();
  scripted.offersChanged.fire();
  assert.deepEqual(scripted.news(), [`midfill/cursor ${A}:3:0`]);
  scripted.asked.fire({ uri: A, line: 20, character: 0 });
  scripted.offersChanged.fire();
  assert.deepEqual(scripted.news(), [], "it was told of");
  scripted.offers = false;
  scripted.move(4);
  scripted.offers = true;
  scripted.move(5, 100);
  scripted.offersChanged.fire();
  assert.deepEqual(scripted.news(), [], "it does not rest yet");
});

test("a server that does not ask for it is sent nothing", (t) => {
  for (const capabilities of [{}, { experimental: { midfill: { diagnostics: true } } }]) {
    const scripted = new ScriptedWindow(t, capabilities);
    scripted.move(2);
    assert.deepEqual(scripted.news(), []);
    mock.timers.reset();
  }
});

test("a server that has gone is sent nothing", (t) => {
  const scripted = toldOfLine0(t);
  scripted.move(2, 100);
  scripted.sender.clear();
  mock.timers.tick(150);
  scripted.move(3);
  scripted.offersChanged.fire();
  assert.deepEqual(scripted.news(), []);
});
