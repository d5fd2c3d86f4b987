/** Kinds of fields of messages, with what they are in TypeScript. */
interface Kinds {
  string: string;
  number: number;
  boolean: boolean;
  /** Anything that JSON can say; its reader checks it. */
  any: unknown;
}

/** Messages by type, each with its fields. */
type Shapes = Readonly<Record<string, Readonly<Record<string, keyof Kinds>>>>;

/** A message of one of the shapes. */
export type MessageOf<S extends Shapes> = {
  readonly [T in keyof S]: { readonly type: T } & { readonly [F in keyof S[T]]: Kinds[S[T][F]] };
}[keyof S];

/**
 * Checks the messages that came together.
 *
 * @throws Error for what is not a list of messages of these shapes.
 */
export function parseMessages<S extends Shapes>(shapes: S, received: unknown): readonly MessageOf<S>[] {
  if (!Array.isArray(received)) throw new Error("messages are not a list");
  for (const message of received as readonly unknown[]) {
    if (!isRecord(message)) throw new Error("a message is not an object");
    const { type, ...fields } = message;
    const shape = typeof type === "string" && Object.hasOwn(shapes, type) ? shapes[type] : undefined;
    if (!shape) throw new Error(`a message has the unknown type ${String(type).slice(0, 40)}`);
    for (const [name, kind] of Object.entries(shape))
      if (kind !== "any" && typeof fields[name] !== kind)
        throw new Error(`the field ${name} of a message ${String(type)} is not a ${kind}`);
  }
  return received as readonly MessageOf<S>[];
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
