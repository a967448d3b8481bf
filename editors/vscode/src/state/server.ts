import type { StatusParams } from "../server/protocol";

/** The state of the server, as the extension knows it. */
export type ServerState =
  | { readonly kind: "idle" }
  | { readonly kind: "missing" }
  | { readonly kind: "settingUp" }
  | { readonly kind: "starting" }
  | { readonly kind: "running"; readonly engine: EngineState; readonly version: string }
  | { readonly kind: "failed"; readonly message: string; readonly remedy: string };

/** The state of the engine within a server that runs. */
export type EngineState =
  | { readonly kind: "loading"; readonly percent: number | undefined; readonly message: string }
  | { readonly kind: "ready"; readonly model: string; readonly device: string }
  | {
      readonly kind: "busy";
      readonly model: string;
      readonly device: string;
      /** How long an overloaded server wants automatic requests to wait behind a key. */
      readonly debounceMs: number;
    }
  | { readonly kind: "off"; readonly reason: string }
  | { readonly kind: "error"; readonly message: string; readonly remedy: string };

/** Whether the engine answers requests. */
export function answers(state: ServerState): boolean {
  return (
    state.kind === "running" && (state.engine.kind === "ready" || state.engine.kind === "busy")
  );
}

/** How long an automatic request waits behind a key before it is sent, in milliseconds. */
export function debounceMs(state: ServerState): number {
  return state.kind === "running" && state.engine.kind === "busy" ? state.engine.debounceMs : 0;
}

/** Whether an engine is on its way. */
export function loads(state: ServerState): boolean {
  return state.kind === "starting" || (state.kind === "running" && state.engine.kind === "loading");
}

/** Why one document gets no completions, by its URI, as the server said. */
export type DocumentReasons = ReadonlyMap<string, string>;

/** What a status notification changes. */
export interface StatusChange {
  readonly engine: EngineState;
  readonly documents: DocumentReasons;
}

/**
 * Apply a status of the server to what was known.
 *
 * A percentage never falls within one load. `off` about one document leaves the engine as it is.
 */
export function applyStatus(
  before: EngineState,
  documents: DocumentReasons,
  status: StatusParams,
): StatusChange {
  const known = before.kind === "ready" || before.kind === "busy" ? before : undefined;
  const model = status.model ?? known?.model ?? "";
  const device = status.device ?? known?.device ?? "";
  switch (status.state) {
    case "loading":
    case "restarting":
      return { engine: loading(before, status), documents };
    case "busy":
      return {
        engine: { kind: "busy", model, device, debounceMs: status.debounceMs ?? 0 },
        documents,
      };
    case "ready":
      // Sent after a document that was off is on again; one that still is off is sent anew.
      return { engine: { kind: "ready", model, device }, documents: new Map() };
    case "off": {
      const reason = status.reason || status.message;
      if (!status.uri) return { engine: { kind: "off", reason }, documents };
      return { engine: before, documents: new Map(documents).set(status.uri, reason) };
    }
    case "error":
      return {
        engine: { kind: "error", message: status.message, remedy: status.remedy ?? "" },
        documents,
      };
    default:
      return { engine: before, documents };
  }
}

function loading(before: EngineState, status: StatusParams): EngineState {
  const last = before.kind === "loading" ? before.percent : undefined;
  const now = status.percent ?? undefined;
  const percent = now === undefined ? last : Math.max(now, last ?? 0);
  return { kind: "loading", percent, message: status.message };
}
