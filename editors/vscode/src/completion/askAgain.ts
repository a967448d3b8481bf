/** Where a completion was asked for while nobody could answer. */
export interface Place {
  readonly uri: string;
  readonly version: number;
  readonly line: number;
  readonly character: number;
}

/** Whether two places are the same place in the same text. */
export function samePlace(one: Place, other: Place): boolean {
  return (
    one.uri === other.uri &&
    one.version === other.version &&
    one.line === other.line &&
    one.character === other.character
  );
}

/** Where a text stands that somebody has typed, in the version of the document that it made. */
export interface TypedText {
  readonly uri: string;
  readonly version: number;
  readonly start: { readonly line: number; readonly character: number };
  readonly text: string;
}

/** Remembers where a completion was due while nobody could answer, so that it can be asked for. */
export class EarlyRequest {
  private due: ((cursor: Place) => boolean) | undefined;
  private asking: Place | undefined;

  /** Note a request that could not be answered yet. */
  unanswered(place: Place): void {
    this.due = (cursor) => samePlace(place, cursor);
  }

  /** Note a text that was typed while not even a request could be made. */
  typed(typed: TypedText): void {
    this.due = (cursor) => isIn(cursor, typed);
  }

  /** Note a request that got its answer: nothing is owed any more. */
  answered(): void {
    this.due = undefined;
  }

  /**
   * Take up what is owed, once; tell whether it is to be asked for.
   *
   * @param cursor Where the cursor is now; undefined where no editor has it.
   */
  takeUp(cursor: Place | undefined): boolean {
    const { due } = this;
    this.due = undefined;
    if (due === undefined || cursor === undefined || !due(cursor)) return false;
    this.asking = cursor;
    return true;
  }

  /** Whether a request is the one that is asked again: automatic, though VS Code says not. */
  isRepeat(place: Place): boolean {
    const repeat = this.asking !== undefined && samePlace(this.asking, place);
    this.asking = undefined;
    return repeat;
  }
}

/** Whether a cursor is where typing has left it: behind the text, or between brackets of it. */
function isIn(cursor: Place, typed: TypedText): boolean {
  if (cursor.uri !== typed.uri || cursor.version !== typed.version) return false;
  const lines = typed.text.split(/\r\n|\n/);
  const last = lines.at(-1)?.length ?? 0;
  const endLine = typed.start.line + lines.length - 1;
  const endCharacter = lines.length === 1 ? typed.start.character + last : last;
  const behindStart =
    cursor.line > typed.start.line ||
    (cursor.line === typed.start.line && cursor.character >= typed.start.character);
  return (
    behindStart &&
    (cursor.line < endLine || (cursor.line === endLine && cursor.character <= endCharacter))
  );
}
