import type { LogOutputChannel } from "vscode";
import {
  type ClientCapabilities,
  CloseAction,
  ErrorAction,
  type FeatureState,
  LanguageClient,
  type LanguageClientOptions,
  type MessageActionItem,
  type Middleware,
  RevealOutputChannelOn,
  ShowMessageRequest,
  type ShowMessageRequestParams,
  type StaticFeature,
} from "vscode-languageclient/node";
import type { EventLog } from "../log/events";
import type { WireSettings } from "../settings/wire";
import { SCHEMES } from "../state/gate";
import { type CursorHost, CursorSender } from "./cursor";
import { DiagnosticsSender } from "./diagnostics";
import type { ServerProcess } from "./process";
import {
  ACTION_METHOD,
  type ActionParams,
  STATUS_METHOD,
  type StatusParams,
  WANTED_EXTRAS,
} from "./protocol";

/** What is done with what the server says. */
export interface ClientHooks {
  readonly onStatus: (status: StatusParams) => void;
  readonly onAction: (action: ActionParams) => void;
  /** Shows a message with buttons, and returns the one that was pressed. */
  readonly onMessage: (params: ShowMessageRequestParams) => Promise<MessageActionItem | null>;
  readonly middleware: Middleware & CursorHost;
}

/** A client that writes what goes wrong into the log alone: the supervisor tells the user. */
class QuietClient extends LanguageClient {
  override error(message: string, data?: unknown): void {
    super.error(message, data, false);
  }
}

/** Asks for Midfill's extras, and shows the engine's progress itself instead of a bar. */
class Extras implements StaticFeature {
  fillClientCapabilities(capabilities: ClientCapabilities): void {
    capabilities.experimental = { ...capabilities.experimental, midfill: WANTED_EXTRAS };
    capabilities.window = { ...capabilities.window, workDoneProgress: false };
  }

  initialize(): void {}

  getState(): FeatureState {
    return { kind: "static" };
  }

  clear(): void {}
}

/**
 * Make the client of one server process.
 *
 * It starts nothing again and shows no message by itself: the supervisor does both.
 */
export function makeClient(
  server: ServerProcess,
  settings: WireSettings,
  channel: LogOutputChannel,
  hooks: ClientHooks,
  log: EventLog,
): LanguageClient {
  const options: LanguageClientOptions = {
    documentSelector: SCHEMES.map((scheme) => ({ scheme })),
    initializationOptions: { midfill: settings },
    outputChannel: channel,
    revealOutputChannelOn: RevealOutputChannelOn.Never,
    initializationFailedHandler: () => false,
    errorHandler: {
      error: () => ({ action: ErrorAction.Continue, handled: true }),
      closed: () => ({ action: CloseAction.DoNotRestart, handled: true }),
    },
    middleware: hooks.middleware,
  };
  const client = new QuietClient(
    "midfill",
    "Midfill",
    async () => ({ reader: server.output, writer: server.input, detached: true }),
    options,
  );
  client.registerFeature(new Extras());
  client.registerFeature(new DiagnosticsSender(client));
  client.registerFeature(new CursorSender(client, hooks.middleware, log));
  client.onNotification(STATUS_METHOD, hooks.onStatus);
  client.onNotification(ACTION_METHOD, hooks.onAction);
  client.onRequest(ShowMessageRequest.type, hooks.onMessage);
  return client;
}
