import { WrennError } from "@wrenn/core";
import { Type } from "typebox";
import { eventKindsByName } from "./event-kinds.ts";

const RFC3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/;

/** Query fields that choose events, for streams and for lists. */
export const selectionFields = {
  types: Type.Optional(
    Type.String({
      maxLength: 1024,
      description: "Kinds, comma-separated; `capsule.*` is every kind that begins with `capsule.`",
    }),
  ),
  capsule: Type.Optional(
    Type.String({ maxLength: 64, description: "Only events about this capsule and its checkpoints" }),
  ),
  since: Type.Optional(Type.String({ maxLength: 64, description: "RFC 3339: events at this time or later" })),
};

/** Kinds that a client chose. */
export interface SelectedKinds {
  readonly stored: ReadonlySet<string>;
  readonly live: ReadonlySet<string>;
}

/**
 * Reads `types`. Without it every stored kind is chosen: those that are not stored have to be asked for.
 *
 * @throws WrennError `invalid_field` for a kind that does not exist, and for a prefix of none.
 */
export function selectKinds(types: string | undefined): SelectedKinds {
  const names = types === undefined ? undefined : types.split(",").flatMap(expand);
  const chosen = names ?? [...eventKindsByName].flatMap(([name, { stored }]) => (stored ? [name] : []));
  const isStored = (name: string): boolean => eventKindsByName.get(name)?.stored === true;
  return {
    stored: new Set(chosen.filter(isStored)),
    live: new Set(chosen.filter((name) => !isStored(name))),
  };
}

/** @throws WrennError `invalid_field`. */
export function parseMoment(field: string, text: string): Date {
  const date = new Date(text);
  if (!RFC3339.test(text) || Number.isNaN(date.getTime()))
    throw new WrennError("invalid_field", { field, problem: "must be a time like 2026-01-31T12:00:00Z" });
  return date;
}

function expand(text: string): readonly string[] {
  const type = text.trim();
  if (eventKindsByName.has(type)) return [type];
  const prefix = type.endsWith(".*") ? type.slice(0, -1) : undefined;
  const names =
    prefix === undefined ? [] : [...eventKindsByName.keys()].filter((name) => name.startsWith(prefix));
  if (names.length === 0)
    throw new WrennError("invalid_field", { field: "types", problem: `has no type '${type.slice(0, 64)}'` });
  return names;
}
