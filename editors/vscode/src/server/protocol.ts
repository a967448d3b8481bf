/** What the engine is doing, as `midfill/status` says it. */
export interface StatusParams {
  readonly state: "loading" | "ready" | "busy" | "off" | "error" | "restarting";
  /** One short sentence for people. */
  readonly message: string;
  readonly percent?: number | null;
  readonly model?: string | null;
  readonly device?: string | null;
  /** Why nothing is completed (`off`). */
  readonly reason?: string | null;
  /** The one document that `off` is about; absent where it is all of them. */
  readonly uri?: string | null;
  /** What to do (`error`). */
  readonly remedy?: string | null;
  readonly restarts?: number | null;
  /** How long to wait behind a key before asking by itself (`busy`); absent where at once. */
  readonly debounceMs?: number | null;
}

/** What one of the server's filters did to a text. */
export interface TraceCut {
  readonly filter: string;
  readonly before: string;
  readonly after: string;
}

/** A part of another file that stood in the prompt. */
export interface TraceSnippet {
  readonly path: string;
  readonly source: string;
  readonly chars: number;
}

/** The last completion, as `midfill/trace` returns it. */
export interface TraceResult {
  readonly requestId: string;
  readonly uri: string;
  readonly line: number;
  readonly character: number;
  readonly trigger: string;
  readonly scope: string | null;
  readonly prompt: string;
  /** Older servers do not say. */
  readonly snippets?: readonly TraceSnippet[];
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly generated: readonly string[];
  readonly cuts: readonly TraceCut[];
  readonly shown: readonly string[];
  readonly outcome: string;
  readonly reason: string | null;
  readonly ttftMs: number | null;
  readonly totalMs: number;
  readonly outputTokens: number;
  /** Where the answer came from; older servers do not say. */
  readonly source?: string | null;
}

/** What the server asks the editor to do, after the user chose it in a message. */
export interface ActionParams {
  readonly action: string;
}

export const STATUS_METHOD = "midfill/status";
export const TRACE_METHOD = "midfill/trace";
export const ACTION_METHOD = "midfill/action";
export const DIAGNOSTICS_METHOD = "midfill/diagnostics";
export const CURSOR_METHOD = "midfill/cursor";

/** The extras that the extension asks for in `capabilities.experimental.midfill`. */
export const WANTED_EXTRAS = { timings: false, status: true, actions: true } as const;
