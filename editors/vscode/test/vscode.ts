/** What of VS Code's API the tests need: they are built with this in its place. */

/** An event that a test fires. */
export class FakeEvent<T> {
  readonly listeners = new Set<(value: T) => void>();

  readonly event = (listener: (value: T) => void) => {
    this.listeners.add(listener);
    return { dispose: () => this.listeners.delete(listener) };
  };

  fire(value: T): void {
    for (const listener of [...this.listeners]) listener(value);
  }
}

export { FakeEvent as EventEmitter };

export const InlineCompletionTriggerKind = { Invoke: 0, Automatic: 1 } as const;

export class Position {
  constructor(
    readonly line: number,
    readonly character: number,
  ) {}
}

/** A document; two of the same URI are two objects, as after it was closed. */
export class FakeDocument {
  constructor(readonly uri: string) {}
}

/** An editor whose cursor a test moves. */
export class FakeEditor {
  selections: readonly { readonly isEmpty: boolean; readonly active: Position }[] = [];

  constructor(readonly document: FakeDocument) {
    this.put(0);
  }

  /** Put one cursor on a line, without telling anybody. */
  put(line: number, character = 0): void {
    this.selections = [{ isEmpty: true, active: new Position(line, character) }];
  }
}

export const activeEditorChanged = new FakeEvent<FakeEditor | undefined>();
export const selectionChanged = new FakeEvent<{ readonly textEditor: FakeEditor }>();
export const documentChanged = new FakeEvent<{
  readonly document: FakeDocument;
  readonly contentChanges: readonly {
    readonly range: { readonly start: Position };
    readonly text: string;
  }[];
}>();

export const window = {
  activeTextEditor: undefined as FakeEditor | undefined,
  onDidChangeActiveTextEditor: activeEditorChanged.event,
  onDidChangeTextEditorSelection: selectionChanged.event,
};

export const workspace = { onDidChangeTextDocument: documentChanged.event };
