/** How long the cursor has to stay where it is: who scrolls or searches moves it again at once. */
const REST_MS = 150;
/** How long after an edit the editor may say where the edit has left the cursor. */
const EDIT_MOMENT_MS = 50;

/** Where the cursor of the active editor is. */
export interface Cursor {
  readonly uri: string;
  readonly line: number;
  readonly character: number;
}

/** What of a selection decides whether it is a cursor. */
export interface SelectionFacts<P> {
  readonly isEmpty: boolean;
  readonly active: P;
}

/** Return where an editor's only cursor is; undefined where there are several, or a text is selected. */
export function onlyCursor<P>(selections: readonly SelectionFacts<P>[]): P | undefined {
  const [first, ...others] = selections;
  return first?.isEmpty && others.length === 0 ? first.active : undefined;
}

/**
 * Notices that the cursor has come to rest at a place that the server does not know of.
 *
 * It knows of the place that it was last told of or asked for, and of the line last edited.
 */
export class CursorRest {
  private known: (Pick<Cursor, "uri" | "line"> & Partial<Cursor>) | undefined;
  private resting: Cursor | undefined;
  /** The edit whose cursor is still to come. */
  private edited: { readonly uri: string; readonly timeMs: number } | undefined;
  private timer: NodeJS.Timeout | undefined;

  /**
   * @param tell Tells the server where the cursor rests; returns false where it is not to know now.
   */
  constructor(private readonly tell: (cursor: Cursor) => boolean) {}

  /** Note where the cursor is now; undefined where there is none, or more than one. */
  movedTo(cursor: Cursor | undefined): void {
    this.stop();
    if (cursor === undefined) return;
    if (this.followsEdit(cursor)) this.known = cursor;
    else this.timer = setTimeout(() => this.rest(cursor), REST_MS);
    this.edited = undefined;
  }

  /** Note that a line of the active document was edited. */
  editedAt(uri: string, line: number): void {
    this.known = { uri, line };
    this.edited = { uri, timeMs: Date.now() };
  }

  /** Note that a completion was asked for. */
  askedAt(place: Cursor): void {
    this.known = place;
  }

  /** Tell the server where the cursor rests if it was not to know before. */
  tryAgain(): void {
    const { resting } = this;
    if (resting === undefined) return;
    if (!this.knows(resting) && !this.tell(resting)) return;
    this.resting = undefined;
    this.known = resting;
  }

  /** Forget where the cursor rests, or is about to. */
  stop(): void {
    clearTimeout(this.timer);
    this.resting = undefined;
  }

  private rest(cursor: Cursor): void {
    this.resting = cursor;
    this.tryAgain();
  }

  private knows({ uri, line, character }: Cursor): boolean {
    const { known } = this;
    const isLine = known?.uri === uri && known.line === line;
    return isLine && (known.character === undefined || known.character === character);
  }

  private followsEdit(cursor: Cursor): boolean {
    return this.edited?.uri === cursor.uri && Date.now() - this.edited.timeMs < EDIT_MOMENT_MS;
  }
}
