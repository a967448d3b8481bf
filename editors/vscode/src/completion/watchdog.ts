/** Timers that a watchdog runs on; replaced in tests. */
export interface WatchdogTimers {
  setTimeout(callback: () => void, delayMs: number): unknown;
  clearTimeout(timer: unknown): void;
}

/** Notices that the server has stopped answering. */
export class Watchdog {
  private pending = 0;
  private timer: unknown;
  private barking = false;

  /**
   * @param limitMs How long no answer at all may come while one is waited for.
   * @param onHang Called once for each hang.
   * @param onAnswer Called when an answer comes after a hang.
   */
  constructor(
    private readonly timers: WatchdogTimers,
    private readonly limitMs: () => number,
    private readonly onHang: () => void,
    private readonly onAnswer: () => void,
  ) {}

  /** Note that a request went out. */
  asked(): void {
    this.pending += 1;
    if (this.timer === undefined && !this.barking) this.arm();
  }

  /** Note that an answer of any kind came in. */
  answered(): void {
    this.pending = Math.max(this.pending - 1, 0);
    this.disarm();
    if (this.pending > 0) this.arm();
    if (!this.barking) return;
    this.barking = false;
    this.onAnswer();
  }

  /** Forget everything: there is another server now. */
  reset(): void {
    this.pending = 0;
    this.barking = false;
    this.disarm();
  }

  private arm(): void {
    this.timer = this.timers.setTimeout(() => {
      this.timer = undefined;
      this.barking = true;
      this.onHang();
    }, this.limitMs());
  }

  private disarm(): void {
    this.timers.clearTimeout(this.timer);
    this.timer = undefined;
  }
}

/** How long an answer may take, by the server's own deadline; 0 is none. */
export function hangLimitMs(deadlineMs: number): number {
  return deadlineMs === 0 ? 120_000 : deadlineMs + 5_000;
}
