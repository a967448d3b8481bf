/** An automatic request that VS Code has taken back. */
export interface CancelledRequest {
  readonly automatic: boolean;
  /** Whether a word character stood before the cursor. */
  readonly behindWord: boolean;
  /** From the request to its cancellation. */
  readonly afterMs: number;
  /** Whether text and cursor were still as they were asked for. */
  readonly unchanged: boolean;
  /** The value of `editor.quickSuggestions`' `other`. */
  readonly quickSuggestions: string;
}

const BUDGET_MS = { least: 650, most: 1_000 };
const WINDOW = 20;
const OFTEN = 5;

/**
 * Whether VS Code gave up waiting, as opposed to the user having typed on.
 *
 * With `offWhenInlineCompletions` it waits about 750 ms behind a word character, then shows its
 * list of suggestions instead.
 */
export function isCutOff(request: CancelledRequest): boolean {
  return (
    request.automatic &&
    request.behindWord &&
    request.unchanged &&
    request.quickSuggestions === "offWhenInlineCompletions" &&
    request.afterMs >= BUDGET_MS.least &&
    request.afterMs <= BUDGET_MS.most
  );
}

/** Counts how often VS Code gives up among the last automatic requests. */
export class CutoffCounter {
  private recent: boolean[] = [];
  private reported = false;

  /** Note how a request ended; return whether to show the user a message now, once. */
  note(cutOff: boolean): boolean {
    this.recent = [...this.recent.slice(-(WINDOW - 1)), cutOff];
    if (this.reported || this.count < OFTEN) return false;
    this.reported = true;
    return true;
  }

  /** How many of the last requests were cut off. */
  get count(): number {
    return this.recent.filter(Boolean).length;
  }
}
