/** The clock and timers that a snooze runs on; replaced in tests. */
export interface SnoozeClock {
  now(): number;
  setTimeout(callback: () => void, delayMs: number): unknown;
  clearTimeout(timer: unknown): void;
}

const LONGEST_TIMEOUT_MS = 2_147_483_647;

/** Keeps completions quiet until a time of day. */
export class Snooze {
  private endMs: number | undefined;
  private timer: unknown;

  /**
   * @param clock Says what time it is.
   * @param changed Called when a snooze begins, and when it is over.
   */
  constructor(
    private readonly clock: SnoozeClock,
    private readonly changed: () => void,
  ) {}

  /** When the snooze ends, in milliseconds since 1970; undefined while there is none. */
  get untilMs(): number | undefined {
    return this.endMs !== undefined && this.endMs > this.clock.now() ? this.endMs : undefined;
  }

  /** Begin, or begin again, for a number of minutes from now. */
  start(minutes: number): void {
    this.resume(this.clock.now() + minutes * 60_000);
  }

  /** Take up a snooze that ends at a time, as after the window was loaded again. */
  resume(untilMs: number): void {
    this.clock.clearTimeout(this.timer);
    this.endMs = untilMs;
    const left = Math.max(untilMs - this.clock.now(), 0);
    this.timer = this.clock.setTimeout(() => this.end(), Math.min(left, LONGEST_TIMEOUT_MS));
    this.changed();
  }

  /** End at once; nothing happens where there is none. */
  end(): void {
    this.clock.clearTimeout(this.timer);
    if (this.endMs === undefined) return;
    this.endMs = undefined;
    this.changed();
  }

  /** Stop the timer without a word: the window closes. */
  dispose(): void {
    this.clock.clearTimeout(this.timer);
  }
}

/** Read the minutes that a person typed: 1 to 1440, whole; undefined where it is no such number. */
export function parseMinutes(text: string): number | undefined {
  const trimmed = text.trim();
  if (!/^\d{1,4}$/.test(trimmed)) return undefined;
  const minutes = Number(trimmed);
  return minutes >= 1 && minutes <= 1440 ? minutes : undefined;
}
