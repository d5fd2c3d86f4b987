import { isWrennError } from "@wrenn/sdk";
import type { Capsule, Wrenn } from "@wrenn/sdk";
import { ClientError } from "../errors/client-error.ts";
import { suggest } from "../output/suggest.ts";

/** What stands for the last capsule. */
const LAST = "-";
/** A beginning of an id, with or without `cl-`: shorter ones would often be ambiguous. */
const PREFIX = /^(?:cl-)?[0-9a-z]{4,}$/;
const SHOWN = 5;

/**
 * The capsule that a user means.
 *
 * @param last - id of the last capsule, if one is known.
 * @throws ClientError `capsule_unknown` with what was probably meant, `capsule_ambiguous` with the candidates.
 */
export async function resolveCapsule(
  wrenn: Pick<Wrenn, "capsules">,
  reference: string,
  last: string | undefined,
  signal: AbortSignal,
): Promise<Capsule> {
  if (reference === LAST) {
    if (last === undefined)
      throw new ClientError(
        "notFound",
        "capsule_unknown",
        "no capsule was used yet, so that '-' means none",
        "Name the capsule; `wrenn ps` lists them.",
      );
    return await wrenn.capsules.get(last, { signal });
  }
  try {
    return await wrenn.capsules.get(reference, { signal });
  } catch (error) {
    const isUnknown = isWrennError(error, "not_found") || isWrennError(error, "capsule_name_unknown");
    const isMalformed = isWrennError(error) && error.status === 400;
    if (!isUnknown && !isMalformed) throw error;
    return await nearest(wrenn, reference, signal, error);
  }
}

/** The only capsule whose id begins so, or the refusal that names the near ones. */
async function nearest(
  wrenn: Pick<Wrenn, "capsules">,
  reference: string,
  signal: AbortSignal,
  cause: unknown,
): Promise<Capsule> {
  const all: Capsule[] = [];
  for await (const capsule of wrenn.capsules.list({ signal })) all.push(capsule);
  const beginning = reference.startsWith("cl-") ? reference : `cl-${reference}`;
  const found = PREFIX.test(reference) ? all.filter(({ id }) => id.startsWith(beginning)) : [];
  const [only] = found;
  if (found.length === 1 && only) return only;
  if (found.length > 1) {
    const ids = found.slice(0, SHOWN).map(({ id }) => id);
    const more = found.length > SHOWN ? `, and ${found.length - SHOWN} more` : "";
    throw new ClientError(
      "usage",
      "capsule_ambiguous",
      `'${reference}' begins the ids of ${found.length} capsules: ${ids.join(", ")}${more}`,
      "Write more of the id.",
    );
  }
  const near = suggest(
    reference,
    all.flatMap(({ id, name }) => (name === undefined ? [id] : [name, id])),
  );
  throw new ClientError(
    "notFound",
    "capsule_unknown",
    `there is no capsule '${reference}'`,
    near === undefined ? "`wrenn ps` lists the capsules." : `Did you mean '${near}'?`,
    { cause },
  );
}
