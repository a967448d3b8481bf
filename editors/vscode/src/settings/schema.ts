import manifest from "../../package.json";

/** What one setting accepts, as the extension's manifest says it. */
export interface SettingSchema {
  readonly type: string;
  readonly scope?: string;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: { readonly type: string };
  readonly additionalProperties?: { readonly type: string };
}

const OWN_SECTIONS = new Set(["enable", "languages", "hint", "server"]);

/** Every setting by its key without `midfill.`. */
export const SETTINGS: ReadonlyMap<string, SettingSchema> = new Map(
  manifest.contributes.configuration.flatMap((section) =>
    Object.entries<SettingSchema>(section.properties).map(
      ([key, schema]) => [key.slice("midfill.".length), schema] as const,
    ),
  ),
);

/** Whether a setting is the extension's own and never sent to the server. */
export function isOwn(key: string): boolean {
  return OWN_SECTIONS.has(key.split(".")[0] ?? "");
}

/** Say what a setting accepts, where a value does not fit; undefined where it does. */
export function misfit(schema: SettingSchema, value: unknown): string | undefined {
  if (schema.enum) {
    const choices = schema.enum;
    return typeof value === "string" && choices.includes(value)
      ? undefined
      : `one of ${choices.join(", ")}`;
  }
  switch (schema.type) {
    case "integer":
    case "number":
      return numberMisfit(schema, value);
    case "boolean":
      return typeof value === "boolean" ? undefined : "true or false";
    case "array":
      return Array.isArray(value) && value.every((item) => typeof item === schema.items?.type)
        ? undefined
        : `a list of ${schema.items?.type}s`;
    case "object":
      return isObject(value) &&
        Object.values(value).every((item) => typeof item === schema.additionalProperties?.type)
        ? undefined
        : `an object of ${schema.additionalProperties?.type}s`;
    default:
      return typeof value === "string" ? undefined : "a string";
  }
}

function numberMisfit(schema: SettingSchema, value: unknown): string | undefined {
  const { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY } = schema;
  const whole = schema.type === "integer";
  const fits =
    typeof value === "number" &&
    (whole ? Number.isInteger(value) : Number.isFinite(value)) &&
    value >= minimum &&
    value <= maximum;
  if (fits) return undefined;
  const kind = whole ? "a whole number" : "a number";
  if (schema.minimum === undefined) return kind;
  if (schema.maximum === undefined) return `${kind} of at least ${minimum}`;
  return `${kind} from ${minimum} to ${maximum}`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
