/** Decides whether a server that ended by itself is started again. */
export class RestartBudget {
  private ends: number[] = [];

  /**
   * @param most Restarts within the window.
   * @param windowMs How far back ends count.
   */
  constructor(
    private readonly most: number = 4,
    private readonly windowMs: number = 180_000,
  ) {}

  /** Note an end, and return the pause before the next start; undefined where it is given up. */
  next(nowMs: number): number | undefined {
    this.ends = this.ends.filter((end) => nowMs - end < this.windowMs);
    this.ends.push(nowMs);
    if (this.ends.length > this.most) return undefined;
    return this.ends.length === 1 ? 0 : 500 * 2 ** (this.ends.length - 2);
  }

  /** Forget the past: the user has asked for a restart. */
  reset(): void {
    this.ends = [];
  }
}
