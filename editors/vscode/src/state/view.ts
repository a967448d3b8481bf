import type { EngineState, ServerState } from "./server";

/** Everything that the status item depends on. */
export interface Situation {
  readonly server: ServerState;
  readonly enabled: boolean;
  readonly snoozedUntil: string | undefined;
  /** Why the document in the active editor gets no completions. */
  readonly documentOff: string | undefined;
}

/** What kind of state the status item shows. */
export type ViewKind = "idle" | "loading" | "ready" | "busy" | "off" | "error";

/** The status item: its text, and what it says under the mouse. */
export interface StatusView {
  readonly kind: ViewKind;
  readonly text: string;
  readonly tooltip: string;
}

const NAME = "Midfill";

/** Say what the status item shows; what the user must act on comes first. */
export function statusView(situation: Situation): StatusView {
  const { server, enabled, snoozedUntil, documentOff } = situation;
  if (!enabled) return off("Completions are switched off.");
  if (server.kind === "missing")
    return error("The server is not installed.", "Click to set it up.");
  if (server.kind === "failed") return error(server.message, server.remedy);
  if (server.kind === "running" && server.engine.kind === "error") {
    return error(server.engine.message, server.engine.remedy);
  }
  if (snoozedUntil !== undefined) return off(`Snoozed until ${snoozedUntil}.`);
  if (server.kind === "idle") {
    return {
      kind: "idle",
      text: `$(sparkle) ${NAME}`,
      tooltip: "The server starts with the first file.",
    };
  }
  if (server.kind === "settingUp") return loading(undefined, "The server is being set up.");
  if (server.kind === "starting") return loading(undefined, "The server starts.");
  if (server.engine.kind === "loading")
    return loading(server.engine.percent, server.engine.message);
  if (documentOff !== undefined) return off(documentOff);
  return engineView(server.engine);
}

function engineView(engine: EngineState): StatusView {
  switch (engine.kind) {
    case "ready":
      return { kind: "ready", text: `$(sparkle) ${NAME}`, tooltip: readyText(engine) };
    case "busy":
      return { kind: "busy", text: `$(loading~spin) ${NAME}`, tooltip: readyText(engine) };
    case "off":
      return off(engine.reason);
    case "loading":
      return loading(engine.percent, engine.message);
    case "error":
      return error(engine.message, engine.remedy);
  }
}

function readyText(engine: { readonly model: string; readonly device: string }): string {
  const on = engine.device ? ` on ${engine.device}` : "";
  return engine.model ? `${engine.model}${on}` : `Ready${on}`;
}

function loading(percent: number | undefined, message: string): StatusView {
  const share = percent === undefined ? "" : ` ${Math.floor(percent)}%`;
  return { kind: "loading", text: `$(loading~spin) ${NAME}${share}`, tooltip: message };
}

function off(reason: string): StatusView {
  return { kind: "off", text: `$(circle-slash) ${NAME}`, tooltip: reason };
}

function error(message: string, remedy: string): StatusView {
  return {
    kind: "error",
    text: `$(error) ${NAME}`,
    tooltip: [message, remedy].filter(Boolean).join("\n"),
  };
}
