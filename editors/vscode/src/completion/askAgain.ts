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

/** Remembers the last request that came too early, so that it can be asked again. */
export class EarlyRequest {
  private place: Place | undefined;
  private asking: Place | undefined;

  /** Note a request that could not be answered yet. */
  unanswered(place: Place): void {
    this.place = place;
  }

  /** Note a request that got its answer: nothing is owed any more. */
  answered(): void {
    this.place = undefined;
  }

  /**
   * Take the request up, once; tell whether it is to be asked again.
   *
   * @param cursor Where the cursor is now; undefined where no editor has it.
   */
  takeUp(cursor: Place | undefined): boolean {
    const place = this.place;
    this.place = undefined;
    if (place === undefined || cursor === undefined || !samePlace(place, cursor)) return false;
    this.asking = place;
    return true;
  }

  /** Whether a request is the one that is being asked again: automatic, though VS Code says not. */
  isRepeat(place: Place): boolean {
    const repeat = this.asking !== undefined && samePlace(this.asking, place);
    this.asking = undefined;
    return repeat;
  }
}
