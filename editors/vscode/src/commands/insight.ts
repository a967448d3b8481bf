import * as vscode from "vscode";
import { TRACE_METHOD, type TraceResult } from "../server/protocol";
import { run } from "../server/run";
import { settingsEnvironment } from "../settings/wire";
import { withProgress } from "../ui/progress";
import { traceText } from "../ui/traceText";
import type { MidfillWindow } from "../window";

const TRACE_TIMEOUT_MS = 5_000;

/** Show what the last completion was made of. */
export async function showTrace(window: MidfillWindow): Promise<void> {
  const client = window.supervisor.session?.client;
  if (!client?.isRunning()) {
    void vscode.window.showInformationMessage(
      "Midfill's server does not run, so there is no trace.",
    );
    return;
  }
  const timeout = new vscode.CancellationTokenSource();
  const timer = setTimeout(() => timeout.cancel(), TRACE_TIMEOUT_MS);
  try {
    const trace = await client.sendRequest<TraceResult | null>(TRACE_METHOD, {}, timeout.token);
    await window.documents.show("Trace of the last completion.md", traceText(trace), "markdown");
    window.log.record("trace.shown", { outcome: trace?.outcome ?? null });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    void vscode.window.showErrorMessage(`Midfill's server gave no trace: ${why}`);
  } finally {
    clearTimeout(timer);
    timeout.dispose();
  }
}

/** Let the server check this machine, and show what it found. */
export async function runDoctor(window: MidfillWindow): Promise<void> {
  const server = await window.findOrTell();
  if (server === undefined) return;
  const { environment, cwd } = window.launchOf(server);
  const result = await withProgress("Midfill's doctor examines this machine", (say, signal) =>
    run(server.command, ["doctor"], {
      environment: {
        ...environment,
        ...settingsEnvironment(window.switches.settings.wire),
        NO_COLOR: "1",
      },
      cwd,
      onLine: say,
      signal,
    }),
  );
  if (result.cancelled) return;
  const text = [result.stdout, result.stderr].filter((part) => part.trim() !== "").join("\n");
  await window.documents.show("Doctor.txt", text || "The doctor said nothing.\n", "plaintext");
  window.log.record("doctor.shown", { code: result.code });
}
