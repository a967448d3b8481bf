import * as vscode from "vscode";

/** Say what is being done, and by how many percent of the whole that is further. */
export type Say = (message: string, increment?: number) => void;

/** Show a progress message with a button to cancel, for as long as a task runs. */
export async function withProgress<T>(
  title: string,
  task: (say: Say, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const options = { location: vscode.ProgressLocation.Notification, title, cancellable: true };
  return vscode.window.withProgress(options, async (progress, token) => {
    const abort = new AbortController();
    const cancellation = token.onCancellationRequested(() => abort.abort());
    try {
      return await task(
        (message, increment) =>
          progress.report(increment === undefined ? { message } : { message, increment }),
        abort.signal,
      );
    } finally {
      cancellation.dispose();
    }
  });
}
