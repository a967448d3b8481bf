import { type Place, samePlace } from "./askAgain";

/** One change of a document: at `start` a text was put in place of `replacedLength` characters. */
export interface Change {
  readonly start: { readonly line: number; readonly character: number };
  readonly replacedLength: number;
  readonly text: string;
}

/**
 * Remembers the completion that is shown, and what is left of it while its beginning is typed.
 *
 * VS Code asks anew after each key and shows what it is answered, so the text would change under
 * the user's hands, and each key would cost a generation.
 */
export class TypedThrough<T> {
  private shown: { readonly place: Place; readonly rest: string; readonly of: T } | undefined;

  /**
   * Note a completion that is shown at its place.
   *
   * @param rest What it inserts there, with LF line ends.
   * @param of What it was answered with.
   */
  show(place: Place, rest: string, of: T): void {
    this.shown = { place, rest, of };
  }

  /** Forget it: it would not be made as it was, or is not wanted. */
  forget(): void {
    this.shown = undefined;
  }

  /** Note a change of a document, which is in a new version now. */
  changed(uri: string, version: number, changes: readonly Change[]): void {
    if (this.shown === undefined || uri !== this.shown.place.uri) return;
    if (version === this.shown.place.version && changes.length === 0) return;
    const { place, rest, of } = this.shown;
    this.shown = undefined;
    const [change, ...others] = changes;
    if (change === undefined || others.length > 0 || change.replacedLength > 0) return;
    const { line, character } = change.start;
    const typed = change.text.replaceAll("\r\n", "\n");
    const isThere = line === place.line && character === place.character;
    if (!isThere || !rest.startsWith(typed) || rest === typed) return;
    const lines = typed.split("\n");
    const last = lines.at(-1)?.length ?? 0;
    const cursor = {
      line: line + lines.length - 1,
      character: lines.length === 1 ? character + last : last,
    };
    this.shown = { place: { uri, version, ...cursor }, rest: rest.slice(typed.length), of };
  }

  /** Return what is left at a place; undefined where nothing was typed through to there. */
  at(place: Place): { readonly rest: string; readonly of: T } | undefined {
    const { shown } = this;
    return shown !== undefined && samePlace(shown.place, place) ? shown : undefined;
  }
}
