/** What tells that nobody waits for a request any more; VS Code's own token fits. */
export interface Cancellation {
  readonly isCancellationRequested: boolean;
  onCancellationRequested(listener: () => void): { dispose(): void };
}

/** Wait so long, or until nobody waits for the request any more. */
export function pause(delayMs: number, token: Cancellation): Promise<void> {
  if (token.isCancellationRequested) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      cancellation.dispose();
      resolve();
    };
    const timer = setTimeout(done, delayMs);
    const cancellation = token.onCancellationRequested(done);
  });
}

/**
 * Keeps requests made by hand until the engine can answer them.
 *
 * VS Code remembers an empty answer to such a request and does not ask again at the same place,
 * so it is not answered before the engine is there. VS Code takes it back when the user types on.
 */
export class HeldRequests {
  private readonly waiting = new Set<() => void>();

  /** Wait until `release` is called or the request is taken back. */
  hold(token: Cancellation): Promise<void> {
    if (token.isCancellationRequested) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        this.waiting.delete(done);
        cancellation.dispose();
        resolve();
      };
      const cancellation = token.onCancellationRequested(done);
      this.waiting.add(done);
    });
  }

  /** Let all of them go on: the engine is there, or will not come. */
  release(): void {
    for (const done of [...this.waiting]) done();
  }
}
