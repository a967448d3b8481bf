import {
  type Disposable,
  type Event,
  Position,
  type TextDocument,
  type TextDocumentChangeEvent,
  type TextEditor,
  window,
  workspace,
} from "vscode";
import type {
  FeatureState,
  LanguageClient,
  ServerCapabilities,
  StaticFeature,
} from "vscode-languageclient/node";
import { type Cursor, CursorRest, onlyCursor } from "../completion/cursorRest";
import type { EventLog } from "../log/events";
import { CURSOR_METHOD } from "./protocol";

/** What decides whether the server is told, and what it knows already. */
export interface CursorHost {
  /** Whether completions come by themselves in a document. */
  offersIn(document: TextDocument): boolean;
  /** Fired when that may have changed. */
  readonly onDidChangeOffers: Event<void>;
  /** Fired with the place for which a completion is asked. */
  readonly onDidAsk: Event<Cursor>;
}

/** Tells the server where the cursor has come to rest without a key, for which LSP has no message. */
export class CursorSender implements StaticFeature {
  private readonly rest = new CursorRest((cursor) => this.send(cursor));
  private listeners: readonly Disposable[] = [];

  constructor(
    private readonly client: LanguageClient,
    private readonly host: CursorHost,
    private readonly log: EventLog,
  ) {}

  fillClientCapabilities(): void {}

  initialize(capabilities: ServerCapabilities): void {
    if (capabilities.experimental?.midfill?.cursor !== true) return;
    this.listeners = [
      window.onDidChangeActiveTextEditor((editor) => this.look(editor)),
      window.onDidChangeTextEditorSelection(({ textEditor }) => {
        if (textEditor === window.activeTextEditor) this.look(textEditor);
      }),
      workspace.onDidChangeTextDocument((event) => this.edited(event)),
      this.host.onDidAsk((place) => this.rest.askedAt(place)),
      this.host.onDidChangeOffers(() => this.rest.tryAgain()),
    ];
    this.look(window.activeTextEditor);
  }

  getState(): FeatureState {
    return { kind: "static" };
  }

  clear(): void {
    this.rest.stop();
    for (const listener of this.listeners) listener.dispose();
    this.listeners = [];
  }

  private look(editor: TextEditor | undefined): void {
    const at = editor && onlyCursor(editor.selections);
    this.rest.movedTo(
      at && { uri: editor.document.uri.toString(), line: at.line, character: at.character },
    );
  }

  private edited({ document, contentChanges }: TextDocumentChangeEvent): void {
    const [change] = contentChanges;
    if (change === undefined || document !== window.activeTextEditor?.document) return;
    const newLines = change.text.split("\n").length - 1;
    this.rest.editedAt(document.uri.toString(), change.range.start.line + newLines);
  }

  private send(cursor: Cursor): boolean {
    const document = window.activeTextEditor?.document;
    if (document?.uri.toString() !== cursor.uri || !this.host.offersIn(document)) return false;
    const params = this.client.code2ProtocolConverter.asTextDocumentPositionParams(
      document,
      new Position(cursor.line, cursor.character),
    );
    // A server that has gone is the supervisor's matter.
    this.client.sendNotification(CURSOR_METHOD, params).catch(() => {});
    this.log.record("cursor", { line: cursor.line });
    return true;
  }
}
