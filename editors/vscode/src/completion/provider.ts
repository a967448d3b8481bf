import * as vscode from "vscode";
import type { Middleware } from "vscode-languageclient/node";
import type { EventLog } from "../log/events";
import type { CursorHost } from "../server/cursor";
import { EarlyRequest, type Place } from "./askAgain";
import { type CancelledRequest, CutoffCounter, isCutOff } from "./cutoff";
import { HeldRequests, pause } from "./held";
import { TypedThrough } from "./typedThrough";
import type { Watchdog } from "./watchdog";

/** What the middleware asks of the window; everything here returns at once. */
export interface ProviderHost {
  /** Why completions are not offered in a document; undefined where they are. */
  whyOff(document: vscode.TextDocument): string | undefined;
  /** Whether automatic completions are snoozed. */
  snoozed(): boolean;
  /** Whether the engine answers. */
  answers(): boolean;
  /** Whether the engine is on its way, so that it is worth waiting for. */
  loads(): boolean;
  /** How long an automatic request waits before it is sent: an overloaded server says it. */
  debounceMs(): number;
  /** Called when a completion was accepted. */
  accepted(): void;
  /** Called when VS Code often gives up waiting. */
  cutOffOften(): void;
}

type Answer = vscode.InlineCompletionItem[] | vscode.InlineCompletionList | null | undefined;

/** Stands between VS Code and the client: lets requests through, or not, and watches them. */
export class InlineProvider implements Middleware, CursorHost {
  private readonly early = new EarlyRequest();
  private readonly held = new HeldRequests();
  private readonly cutoffs = new CutoffCounter();
  private readonly shown = new TypedThrough<vscode.InlineCompletionItem>();
  private readonly asks = new vscode.EventEmitter<Place>();
  private readonly offerChanges = new vscode.EventEmitter<void>();
  private lastId = 0;
  readonly onDidAsk = this.asks.event;
  readonly onDidChangeOffers = this.offerChanges.event;

  constructor(
    private readonly host: ProviderHost,
    private readonly watchdog: Watchdog,
    private readonly log: EventLog,
  ) {}

  /** Answer VS Code; nothing slow happens before this returns. */
  readonly provideInlineCompletionItems: NonNullable<Middleware["provideInlineCompletionItems"]> = (
    document,
    position,
    context,
    token,
    next,
  ) => {
    const began = performance.now();
    const place = placeOf(document, position);
    const repeat = this.early.isRepeat(place);
    const automatic =
      repeat || context.triggerKind === vscode.InlineCompletionTriggerKind.Automatic;
    if (this.host.whyOff(document) !== undefined || (automatic && this.host.snoozed())) {
      return undefined;
    }
    const id = ++this.lastId;
    const left =
      automatic && context.selectedCompletionInfo === undefined ? this.shown.at(place) : undefined;
    if (left !== undefined) {
      this.log.record("typed_through", { id, sync_ms: performance.now() - began });
      return [restOf(left.of, left.rest, position)];
    }
    const asked = repeat
      ? { ...context, triggerKind: vscode.InlineCompletionTriggerKind.Automatic }
      : context;
    const ready = this.host.answers();
    const ask = async (): Promise<Answer> => {
      this.watchdog.asked();
      this.asks.fire(place);
      try {
        return await next(document, position, asked, token);
      } finally {
        this.watchdog.answered();
      }
    };
    const held = !automatic && this.host.loads();
    const delayMs = automatic ? this.host.debounceMs() : 0;
    let answer: Promise<Answer>;
    if (held) {
      answer = this.held
        .hold(token)
        .then(() => (token.isCancellationRequested || !this.host.answers() ? undefined : ask()));
    } else if (delayMs > 0) {
      answer = pause(delayMs, token).then(() =>
        token.isCancellationRequested ? undefined : ask(),
      );
    } else {
      answer = ask();
    }
    this.log.record("request", {
      id,
      automatic,
      repeat,
      held,
      delay_ms: delayMs,
      language: document.languageId,
      sync_ms: performance.now() - began,
    });
    const cancellation = token.onCancellationRequested(() =>
      this.cancelled(id, document, position, place.version, automatic, performance.now() - began),
    );
    return answer
      .then((items) => {
        const cancelled = token.isCancellationRequested;
        const isNow = !cancelled && document.version === place.version;
        if (isNow && context.selectedCompletionInfo === undefined) this.remember(place, items);
        return this.answered(id, place, items, ready, cancelled, began);
      })
      .finally(() => cancellation.dispose());
  };

  /** Note that a completion was accepted: its command is on its way to the server. */
  readonly executeCommand: NonNullable<Middleware["executeCommand"]> = (command, args, next) => {
    const accepted = args[0] as
      | { readonly id?: unknown; readonly acceptedChars?: unknown }
      | undefined;
    this.log.record("accept", {
      command,
      id: String(accepted?.id ?? ""),
      chars: Number(accepted?.acceptedChars ?? 0),
    });
    this.host.accepted();
    return next(command, args);
  };

  /** Note a change of a document; until the engine answers, what was typed is remembered. */
  documentChanged(event: vscode.TextDocumentChangeEvent): void {
    this.shown.changed(
      event.document.uri.toString(),
      event.document.version,
      event.contentChanges.map(({ range, rangeLength, text }) => ({
        start: range.start,
        replacedLength: rangeLength,
        text,
      })),
    );
    if (this.host.answers()) return;
    const [change, ...others] = event.contentChanges;
    if (change === undefined || others.length > 0) return;
    if (event.document !== vscode.window.activeTextEditor?.document) return;
    this.early.typed({
      uri: event.document.uri.toString(),
      version: event.document.version,
      start: change.range.start,
      text: change.text,
    });
  }

  /** Take a document that was changed before this extension began for one that is typed in. */
  takeOver(editor: vscode.TextEditor): void {
    if (editor.document.isDirty) {
      this.early.unanswered(placeOf(editor.document, editor.selection.active));
    }
  }

  /** Whether completions come by themselves in a document. */
  offersIn(document: vscode.TextDocument): boolean {
    return this.host.whyOff(document) === undefined && !this.host.snoozed() && this.host.answers();
  }

  /** Let what was asked by hand go on, unless the engine is still on its way. */
  engineChanged(): void {
    if (!this.host.loads()) this.held.release();
    this.offerChanges.fire();
  }

  /** Let go of what another server was asked by hand: it cannot answer any more. */
  serverReplaced(): void {
    this.held.release();
    this.shown.forget();
  }

  /** Forget what was answered: with other settings it might be something else. */
  settingsChanged(): void {
    this.shown.forget();
  }

  /** Ask again for what was asked too early, if the cursor is still there. */
  askAgain(): void {
    const editor = vscode.window.activeTextEditor;
    const focused = vscode.window.state.focused && editor !== undefined;
    const cursor = focused && editor.selection.isEmpty ? editor.selection.active : undefined;
    if (!this.early.takeUp(cursor && editor && placeOf(editor.document, cursor))) return;
    this.log.record("ask_again");
    void vscode.commands.executeCommand("editor.action.inlineSuggest.trigger");
  }

  /** Keep the first item of an answer, so that its beginning can be typed. */
  private remember(place: Place, answer: Answer): void {
    const [item] = Array.isArray(answer) ? answer : (answer?.items ?? []);
    const at = item?.range?.start;
    const isHere = at?.line === place.line && at.character === place.character;
    if (isHere && item?.range?.isEmpty && typeof item.insertText === "string") {
      this.shown.show(place, item.insertText, item);
    } else {
      this.shown.forget();
    }
  }

  private answered(
    id: number,
    place: Place,
    items: Answer,
    ready: boolean,
    cancelled: boolean,
    began: number,
  ): Answer {
    const count = Array.isArray(items) ? items.length : (items?.items.length ?? 0);
    this.log.record("reply", { id, items: count, cancelled, ms: performance.now() - began });
    if (count > 0) this.early.answered();
    else if (!ready) this.early.unanswered(place);
    if (!cancelled) this.cutoffs.note(false);
    return items;
  }

  private cancelled(
    id: number,
    document: vscode.TextDocument,
    position: vscode.Position,
    version: number,
    automatic: boolean,
    afterMs: number,
  ): void {
    const editor = vscode.window.activeTextEditor;
    const unchanged =
      editor?.document === document &&
      document.version === version &&
      editor.selection.active.isEqual(position);
    const request: CancelledRequest = {
      automatic,
      behindWord:
        unchanged &&
        /[\p{L}\p{N}_]$/u.test(document.lineAt(position).text.slice(0, position.character)),
      afterMs,
      unchanged,
      quickSuggestions: quickSuggestionsOf(document),
    };
    const cutOff = isCutOff(request);
    this.log.record("cancel", { id, cut_off: cutOff, ms: afterMs });
    if (this.cutoffs.note(cutOff)) this.host.cutOffOften();
  }
}

/** Return the item that is left of one whose beginning was typed; it is accepted under its id. */
function restOf(
  item: vscode.InlineCompletionItem,
  rest: string,
  position: vscode.Position,
): vscode.InlineCompletionItem {
  const acceptedChars = [...rest].length;
  const sent = (item.command?.arguments ?? []) as readonly object[];
  const command = item.command && {
    ...item.command,
    arguments: sent.map((argument) => ({ ...argument, acceptedChars })),
  };
  return new vscode.InlineCompletionItem(rest, new vscode.Range(position, position), command);
}

/** Return the place of a cursor in a document. */
export function placeOf(document: vscode.TextDocument, position: vscode.Position): Place {
  return {
    uri: document.uri.toString(),
    version: document.version,
    line: position.line,
    character: position.character,
  };
}

function quickSuggestionsOf(document: vscode.TextDocument): string {
  const value: unknown = vscode.workspace
    .getConfiguration("editor", document)
    .get("quickSuggestions");
  if (typeof value === "object" && value !== null && "other" in value) return String(value.other);
  return String(value);
}
