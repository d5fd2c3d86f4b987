import { ClientError } from "../errors/client-error.ts";
import { suggest } from "./suggest.ts";

/** Characters of an id, its kind included, that are enough to mean it. */
const PREFIX = 4;

/** How things of one kind are meant by users. */
export interface Naming<T> {
  /** For messages: `checkpoint`, `API key`. */
  readonly kind: string;
  readonly idOf: (thing: T) => string;
  /** Other words for it, such as its name. */
  readonly namesOf: (thing: T) => readonly (string | undefined)[];
  /** Command that lists them. */
  readonly list: string;
}

/**
 * The thing that a user means: by its id, a name in either case, or the beginning of its id.
 *
 * @throws ClientError `<kind>_unknown` with what was probably meant, `<kind>_ambiguous` with the candidates.
 */
export function pickOne<T>(reference: string, things: readonly T[], naming: Naming<T>): T {
  const { kind, idOf, namesOf, list } = naming;
  const code = kind.toLowerCase().replaceAll(" ", "_");
  const exact = things.filter((thing) => idOf(thing) === reference);
  const word = reference.toLowerCase();
  const named = things.filter((thing) => namesOf(thing).some((name) => name?.toLowerCase() === word));
  const begun =
    reference.length < PREFIX
      ? []
      : things.filter((thing) => {
          const id = idOf(thing);
          return id.startsWith(reference) || id.slice(id.indexOf("-") + 1).startsWith(reference);
        });
  const found = [exact, named, begun].find((some) => some.length > 0) ?? [];
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  if (found.length > 1)
    throw new ClientError(
      "usage",
      `${code}_ambiguous`,
      `'${reference}' means ${found.length} of the ${kind}s: ${found.map(idOf).join(", ")}`,
      "Write the id.",
    );
  const near = suggest(
    reference,
    things.flatMap((thing) => [...namesOf(thing), idOf(thing)].filter((one) => one !== undefined)),
  );
  throw new ClientError(
    "notFound",
    `${code}_unknown`,
    `there is no ${kind} '${reference}'`,
    near === undefined ? `\`${list}\` lists them.` : `Did you mean '${near}'?`,
  );
}
