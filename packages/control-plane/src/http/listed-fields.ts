/** The part of JSON Schema that lists fields. */
interface FieldSchema {
  readonly properties?: Readonly<Record<string, FieldSchema>>;
  readonly patternProperties?: Readonly<Record<string, FieldSchema>>;
  readonly items?: FieldSchema;
  readonly anyOf?: readonly FieldSchema[];
  readonly allOf?: readonly FieldSchema[];
}

export interface ListedFields {
  /** The value with the fields that its schema lists, and without all others. */
  readonly listed: unknown;
  /** Path of the first field that the schema does not list: `network.egres`, `rules.0.port`. */
  readonly unlisted: string | undefined;
}

/** Characters of a field's path that a message can show. */
const MAX_PATH = 200;

/**
 * Separates the fields that a JSON schema lists from those that it does not, nested objects included. Maps (`Type.Record`) and values
 * of any shape are kept as they are; so are values of the wrong type, which are the validator's to refuse.
 */
export function listedFields(schema: unknown, value: unknown): ListedFields {
  let unlisted: string | undefined;
  const visit = (schemas: readonly FieldSchema[], current: unknown, path: string): unknown => {
    if (typeof current !== "object" || current === null) return current;
    if (Array.isArray(current)) {
      const items = schemas.flatMap((one) => (one.items ? alternatives(one.items) : []));
      return items.length === 0
        ? current
        : current.map((item, index) => visit(items, item, join(path, String(index))));
    }
    const lists = schemas.flatMap(({ properties }) => (properties ? [properties] : []));
    if (lists.length === 0 || schemas.some(({ patternProperties }) => patternProperties)) return current;
    const kept: [string, unknown][] = [];
    for (const [name, field] of Object.entries(current)) {
      const inner = lists.flatMap((list) =>
        Object.hasOwn(list, name) ? alternatives(list[name] ?? {}) : [],
      );
      if (inner.length > 0) kept.push([name, visit(inner, field, join(path, name))]);
      else unlisted ??= join(path, name).slice(0, MAX_PATH).toWellFormed();
    }
    return Object.fromEntries(kept);
  };
  const listed = visit(alternatives(isSchema(schema) ? schema : {}), value, "");
  return { listed, unlisted };
}

/** A schema with the parts that it is made of, each of which may list fields. */
function alternatives(schema: FieldSchema): readonly FieldSchema[] {
  return [
    schema,
    ...(schema.anyOf ?? []).flatMap(alternatives),
    ...(schema.allOf ?? []).flatMap(alternatives),
  ];
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

function isSchema(value: unknown): value is FieldSchema {
  return typeof value === "object" && value !== null;
}
