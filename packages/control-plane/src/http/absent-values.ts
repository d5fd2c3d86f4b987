/** The part of JSON Schema that says whether a field may be left out, and what its text may be. */
interface BodySchema {
  readonly properties?: Readonly<Record<string, FieldRules>>;
  readonly required?: readonly string[];
}

interface FieldRules {
  readonly type?: unknown;
  readonly minLength?: number;
  readonly pattern?: string;
  readonly anyOf?: readonly FieldRules[];
}

/**
 * A body without the fields that the contract reads as absent: clients of it send null for what they leave out, and "" where no text can be
 * empty. Fields that must be there stay for the validator to refuse.
 */
export function withoutAbsent(schema: unknown, body: unknown): unknown {
  if (!isBodySchema(schema) || typeof body !== "object" || body === null || Array.isArray(body)) return body;
  const { properties = {}, required = [] } = schema;
  return Object.fromEntries(
    Object.entries(body).filter(([name, value]) => {
      const rules = Object.hasOwn(properties, name) ? properties[name] : undefined;
      if (!rules || required.includes(name)) return true;
      if (value === null) return takesNull(rules);
      return value !== "" || takesEmpty(rules);
    }),
  );
}

function takesNull(rules: FieldRules): boolean {
  return [rules, ...(rules.anyOf ?? [])].some(({ type }) => type === "null");
}

function takesEmpty({ type, minLength = 0, pattern }: FieldRules): boolean {
  if (type !== "string") return true;
  return minLength === 0 && (pattern === undefined || new RegExp(pattern, "u").test(""));
}

function isBodySchema(value: unknown): value is BodySchema {
  return typeof value === "object" && value !== null;
}
