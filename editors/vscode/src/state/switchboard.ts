import type * as vscode from "vscode";
import { readSettings, type WindowSettings, writeSetting } from "../settings/read";
import type { Facts } from "../ui/facts";
import { toggledLanguage, whyOff } from "./gate";
import { Snooze } from "./snooze";

const FILES_KEY = "midfill.filesOff";
const SNOOZE_KEY = "midfill.snoozedUntilMs";

/** What the user has switched: globally, by language, by file, and for a while. */
export class Switchboard implements vscode.Disposable {
  readonly snooze: Snooze;
  private filesOff: ReadonlySet<string>;
  private current: WindowSettings;

  /**
   * @param memory Keeps what has to outlive a reload of the window.
   * @param facts Learns whether completions are snoozed.
   * @param changed Called after every change.
   */
  constructor(
    private readonly memory: vscode.Memento,
    private readonly facts: Facts,
    private readonly changed: () => void,
  ) {
    this.current = readSettings();
    this.filesOff = new Set(memory.get<string[]>(FILES_KEY, []));
    const clock = {
      now: Date.now,
      setTimeout: (callback: () => void, delayMs: number) => setTimeout(callback, delayMs),
      clearTimeout: (timer: unknown) => clearTimeout(timer as NodeJS.Timeout | undefined),
    };
    this.snooze = new Snooze(clock, () => this.snoozeChanged());
  }

  /** Take up what the window did before it was loaded again. */
  restore(): void {
    const untilMs = this.memory.get<number>(SNOOZE_KEY);
    if (untilMs !== undefined && untilMs > Date.now()) this.snooze.resume(untilMs);
  }

  /** The settings as they are now. */
  get settings(): WindowSettings {
    return this.current;
  }

  /** Read the settings again, and return those from before. */
  reload(): WindowSettings {
    const before = this.current;
    this.current = readSettings();
    this.changed();
    return before;
  }

  /** Why completions are not offered in a document; undefined where they are. */
  whyOff(document: vscode.TextDocument): string | undefined {
    const { enable: enabled, languages } = this.current.own;
    return whyOff(
      { enabled, languages, filesOff: this.filesOff },
      {
        uri: document.uri.toString(),
        scheme: document.uri.scheme,
        languageId: document.languageId,
      },
    );
  }

  /** Whether completions are switched off in a file. */
  fileIsOff(uri: vscode.Uri): boolean {
    return this.filesOff.has(uri.toString());
  }

  /** Switch completions on or off. */
  async toggle(): Promise<void> {
    await writeSetting("enable", !this.current.own.enable);
  }

  /** Switch completions on or off in a language. */
  async toggleLanguage(languageId: string): Promise<void> {
    await writeSetting("languages", toggledLanguage(this.current.own.languages, languageId));
  }

  /** Switch completions on or off in a file, for as long as the workspace remembers. */
  async toggleFile(uri: vscode.Uri): Promise<void> {
    const files = new Set(this.filesOff);
    if (!files.delete(uri.toString())) files.add(uri.toString());
    this.filesOff = files;
    this.changed();
    await this.memory.update(FILES_KEY, [...files]);
  }

  private snoozeChanged(): void {
    void this.memory.update(SNOOZE_KEY, this.snooze.untilMs);
    this.facts.set("snoozed", this.snooze.untilMs !== undefined);
    this.changed();
  }

  dispose(): void {
    this.snooze.dispose();
  }
}
