type Present<T> = Exclude<T, null | undefined>;

type Kind<T> = [T] extends [Date]
  ? "time"
  : [T] extends [boolean]
    ? "boolean"
    : [T] extends [number]
      ? "number"
      : [T] extends [string]
        ? "string"
        : [T] extends [readonly string[]]
          ? "strings"
          : [T] extends [Readonly<Record<string, string>>]
            ? "pairs"
            : "object";

type Mark<T, Name extends keyof T> = undefined extends T[Name] ? "?" : null extends T[Name] ? " or null" : "";

/** The objects of a list, if that is what the member is. */
type Items<T> = T extends readonly (infer Item extends object)[] ? Item : never;

type FieldOf<T, Name extends keyof T> = [Items<Present<T[Name]>>] extends [never]
  ? readonly [`${Kind<Present<T[Name]>>}${Mark<T, Name>}`, string]
  : { readonly items: FieldsOf<Items<Present<T[Name]>>>; readonly text: string };

/** What each member of a printed object is, with a sentence. The compiler refuses a table that is not that of the type. */
export type FieldsOf<T> = { readonly [Name in keyof T]-?: FieldOf<T, Name> };

/** A member: its kind, with `?` where it may be absent, and what it says; or a list of objects. */
export type DocumentField =
  | readonly [kind: string, text: string]
  | { readonly items: DocumentFields; readonly text: string };

/** {@link FieldsOf} any type. */
export type DocumentFields = Readonly<Record<string, DocumentField>>;

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

const checks: Readonly<Record<string, (value: unknown) => boolean>> = {
  time: (value) => typeof value === "string" && TIME.test(value),
  boolean: (value) => typeof value === "boolean",
  number: (value) => typeof value === "number",
  string: (value) => typeof value === "string",
  strings: (value) => Array.isArray(value) && value.every((item) => typeof item === "string"),
  object: (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  pairs: (value) =>
    typeof value === "object" &&
    value !== null &&
    Object.values(value).every((item) => typeof item === "string"),
};

/** What of a printed object is not as its table says; empty when all is. */
export function documentProblems(fields: DocumentFields, value: unknown, at = ""): readonly string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [`${at || "."}: no object`];
  const object = value as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(object).filter((name) => !(name in fields));
  return [
    ...unknown.map((name) => `${at}.${name}: not in the table`),
    ...Object.entries(fields).flatMap(([name, field]) => fieldProblems(field, object[name], `${at}.${name}`)),
  ];
}

function fieldProblems(field: DocumentField, value: unknown, at: string): readonly string[] {
  if ("items" in field) {
    if (!Array.isArray(value)) return [`${at}: no list`];
    return value.flatMap((item, index) => documentProblems(field.items, item, `${at}[${index}]`));
  }
  const [, kind = "", mark = ""] = /^(\w+)(.*)$/.exec(field[0]) ?? [];
  if (value === undefined) return mark === "?" ? [] : [`${at}: missing`];
  if (value === null) return mark === " or null" ? [] : [`${at}: null`];
  return checks[kind]?.(value) === true ? [] : [`${at}: no ${kind}`];
}
