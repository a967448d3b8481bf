/** A model of the server's registry. */
export interface ListedModel {
  readonly name: string;
  readonly parameters: number;
  readonly licence: string;
  readonly shipped: boolean;
  readonly note: string;
  readonly weightsBytes: number | undefined;
}

/** Read what `midfill models list --json` prints; undefined where it is something else. */
export function parseModels(text: string): readonly ListedModel[] | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value.map(modelOf) : undefined;
  } catch {
    return undefined;
  }
}

function modelOf(value: unknown): ListedModel {
  const entry = fieldsOf(value);
  if (typeof entry.name !== "string") throw new TypeError("a model without a name");
  const weights = fieldsOf(entry.checkpoint).weights_bytes;
  return {
    name: entry.name,
    parameters: typeof entry.parameters === "number" ? entry.parameters : 0,
    licence: typeof entry.licence === "string" ? entry.licence : "",
    shipped: entry.shipped === true,
    note: typeof entry.note === "string" ? entry.note : "",
    weightsBytes: typeof weights === "number" && weights > 0 ? weights : undefined,
  };
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

/** Describe a model in one line. */
export function modelDetail(model: ListedModel): string {
  const where = model.shipped ? "part of this installation" : "";
  return [parametersText(model.parameters), model.licence, where || model.note]
    .filter(Boolean)
    .join(" · ");
}

function parametersText(parameters: number): string {
  if (parameters === 0) return "";
  const [value, unit] = parameters < 1e9 ? [parameters / 1e6, "M"] : [parameters / 1e9, "B"];
  return `${Number(value.toPrecision(3))}${unit} parameters`;
}
