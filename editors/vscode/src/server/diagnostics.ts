import { DiagnosticSeverity, type Disposable, languages, type Uri, workspace } from "vscode";
import type {
  FeatureState,
  LanguageClient,
  ServerCapabilities,
  StaticFeature,
} from "vscode-languageclient/node";
import { SCHEMES } from "../state/gate";
import { DIAGNOSTICS_METHOD } from "./protocol";

/** How long diagnostics have to stay as they are before they are sent: servers send them anew at every key. */
const DELAY_MS = 300;
const MOST = 100;
const MOST_CHARS = 500;

/** Sends the server the errors and warnings of open documents, for which LSP has no message. */
export class DiagnosticsSender implements StaticFeature {
  private listener: Disposable | undefined;
  private timer: NodeJS.Timeout | undefined;
  private readonly changed = new Map<string, Uri>();

  constructor(private readonly client: LanguageClient) {}

  fillClientCapabilities(): void {}

  initialize(capabilities: ServerCapabilities): void {
    if (capabilities.experimental?.midfill?.diagnostics !== true) return;
    this.listener = languages.onDidChangeDiagnostics(({ uris }) => this.note(uris));
    this.note(workspace.textDocuments.map((document) => document.uri));
  }

  getState(): FeatureState {
    return { kind: "static" };
  }

  clear(): void {
    clearTimeout(this.timer);
    this.listener?.dispose();
    this.changed.clear();
  }

  private note(uris: readonly Uri[]): void {
    for (const uri of uris) this.changed.set(uri.toString(), uri);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.send(), DELAY_MS);
  }

  private send(): void {
    const open = new Set(workspace.textDocuments.map((document) => document.uri.toString()));
    for (const [key, uri] of this.changed) {
      if (!open.has(key) || !SCHEMES.includes(uri.scheme)) continue;
      const diagnostics = languages
        .getDiagnostics(uri)
        .filter(({ severity }) => severity <= DiagnosticSeverity.Warning)
        .slice(0, MOST)
        .map(({ range: { start, end }, severity, message }) => ({
          range: {
            start: { line: start.line, character: start.character },
            end: { line: end.line, character: end.character },
          },
          severity: severity + 1,
          message: message.slice(0, MOST_CHARS),
        }));
      const params = { uri: this.client.code2ProtocolConverter.asUri(uri), diagnostics };
      // A server that has gone is the supervisor's matter.
      this.client.sendNotification(DIAGNOSTICS_METHOD, params).catch(() => {});
    }
    this.changed.clear();
  }
}
