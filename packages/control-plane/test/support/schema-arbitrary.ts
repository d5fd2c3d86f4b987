import fc from "fast-check";

/** The part of JSON Schema that routes use. */
export interface JsonSchema {
  readonly type?: string;
  readonly const?: unknown;
  readonly anyOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly patternProperties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly pattern?: string;
  readonly format?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
}

const LARGE = 2 ** 31;

/** Values that a schema allows, its bounds among them. */
export function validFor(schema: JsonSchema): fc.Arbitrary<unknown> {
  if ("const" in schema) return fc.constant(schema.const);
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map(validFor));
  if (schema.allOf)
    return fc
      .tuple(...schema.allOf.map(validFor))
      .map((parts) => Object.assign({}, ...(parts as object[])) as unknown);
  switch (schema.type) {
    case undefined:
      return fc.jsonValue();
    case "string":
      return text(schema);
    case "integer":
    case "number": {
      const { minimum: min = -LARGE, maximum: max = LARGE } = schema;
      return fc.oneof(fc.integer({ min, max }), fc.constantFrom(min, max));
    }
    case "boolean":
      return fc.boolean();
    case "array": {
      const { items = {}, minItems: minLength = 0, maxItems = 4 } = schema;
      const bounds = { minLength, maxLength: Math.max(minLength, Math.min(maxItems, 4)) };
      if (!schema.uniqueItems) return fc.array(validFor(items), bounds);
      return fc.uniqueArray(validFor(items), { ...bounds, comparator: "SameValue" });
    }
    case "object":
      return object(schema);
    default:
      return fc.jsonValue();
  }
}

function object({ properties = {}, required = [], patternProperties }: JsonSchema): fc.Arbitrary<unknown> {
  const fields = Object.fromEntries(Object.entries(properties).map(([name, of]) => [name, validFor(of)]));
  const known = fc.record(fields, { requiredKeys: [...required], noNullPrototype: true });
  const [entry] = Object.entries(patternProperties ?? {});
  if (!entry) return known;
  return fc.dictionary(matching(entry[0]), validFor(entry[1]), { maxKeys: 4, noNullPrototype: true });
}

function text({ pattern, format, minLength = 0, maxLength = 64 }: JsonSchema): fc.Arbitrary<string> {
  if (format === "uuid") return fc.uuid();
  if (pattern !== undefined)
    return matching(pattern).filter((one) => one.length >= minLength && one.length <= maxLength);
  const shortest = fc.string({
    minLength,
    maxLength: Math.max(minLength, Math.min(maxLength, 64)),
    unit: "binary",
  });
  return fc.oneof(shortest, fc.constantFrom("a".repeat(Math.min(maxLength, 4096)), "a".repeat(minLength)));
}

function matching(pattern: string): fc.Arbitrary<string> {
  try {
    return fc.stringMatching(new RegExp(pattern, "u"));
  } catch {
    // What looks ahead, or asks for classes of characters, cannot be drawn from.
    return fc.string({ minLength: 1, maxLength: 20, unit: fc.constantFrom("a", "Z", "0") });
  }
}

/** Values that nobody means well with. */
export const hostile: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    0,
    -1,
    0.5,
    1e308,
    -1e308,
    2 ** 31,
    2 ** 53,
    -(2 ** 63),
    "",
    " ",
    "\0",
    "a\0b",
    "\ud800",
    "\udfff\ud800",
    "\u202e",
    "%00",
    "%s%n",
    "' OR 1=1 --",
    "../../../etc/passwd",
    "/".repeat(5000),
    "𝒳".repeat(2000),
    "1e999",
    "__proto__",
    "{{7*7}}",
    "a".repeat(70_000),
    "-1",
    "9".repeat(400),
    "\r\nx-injected: 1",
    "cl-",
    "null",
    [],
    {},
    [[]],
    { length: -1 },
    { toString: 1 },
    Array.from({ length: 3000 }, () => 0),
  ),
  fc.jsonValue(),
  fc.string({ unit: "binary", maxLength: 200 }),
  fc.integer(),
  fc.double(),
  fc.integer({ min: 1, max: 2000 }).map(nested),
);

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}

/** Values that a schema nearly allows: a field is missing, of another type, out of its bounds, or one too many. */
export function nearlyValidFor(schema: JsonSchema): fc.Arbitrary<unknown> {
  const all = propertiesOf(schema);
  const names = Object.keys(all);
  if (names.length === 0) return hostile;
  const spoilt = fc.constantFrom(...names).chain((name) =>
    fc.record({
      base: validFor(schema),
      value: fc.oneof(beyond(all[name] ?? {}), hostile),
      how: fc.constantFrom("replace", "leave out", "add"),
      name: fc.constant(name),
    }),
  );
  return spoilt.map(({ base, value, how, name }) => {
    const fields = Object.entries(base as object).filter(([field]) => how === "add" || field !== name);
    if (how === "leave out") return Object.fromEntries(fields);
    return Object.fromEntries([...fields, [how === "add" ? `${name}_` : name, value]]);
  });
}

function propertiesOf({ properties = {}, allOf = [] }: JsonSchema): Readonly<Record<string, JsonSchema>> {
  return Object.assign({}, properties, ...allOf.map(propertiesOf)) as Record<string, JsonSchema>;
}

/** Just outside of what is allowed. */
function beyond({
  type,
  minimum,
  maximum,
  minLength,
  maxLength,
  maxItems,
  items,
}: JsonSchema): fc.Arbitrary<unknown> {
  const values: unknown[] = [null];
  // What databases and file systems refuse.
  if (type === "string") values.push("a\0b", "a\ud800b", "@\0", "\u202e@b", "a\r\nb: 1");
  if (minimum !== undefined) values.push(minimum - 1, minimum - 0.5, String(minimum));
  if (maximum !== undefined) values.push(maximum + 1, maximum + 0.5, -maximum);
  if (minLength !== undefined && minLength > 0) values.push("a".repeat(minLength - 1));
  if (maxLength !== undefined) values.push("a".repeat(maxLength + 1));
  if (maxItems !== undefined) values.push(Array.from({ length: maxItems + 1 }, () => "a"));
  if (items) values.push([null], [{}], ["\0"]);
  return fc.constantFrom(...values);
}
