import { sql } from "kysely";
import type { Db } from "../schema.ts";

export interface SigningKey {
  readonly kid: string;
  readonly secret: Uint8Array;
  /** False for a key of before, whose tokens do not say whom they are for. */
  readonly requiresAudience: boolean;
}

/** When keys are replaced and deleted. */
export interface KeyRotation {
  readonly now: Date;
  /** A newest key from before this gets a successor. */
  readonly renewBefore: Date;
  /** Keys whose successor is from before this have signed nothing that is still good. */
  readonly deleteBefore: Date;
}

/** All keys that signatures may be of, newest first; `fresh` becomes the first one where there is none, or it is time for another. */
export async function rotateSigningKeys(
  db: Db,
  fresh: Pick<SigningKey, "kid" | "secret">,
  { now, renewBefore, deleteBefore }: KeyRotation,
): Promise<readonly [SigningKey, ...SigningKey[]]> {
  return await db.transaction().execute(async (trx) => {
    // Servers that start together agree on one.
    await sql`lock table signing_keys in share row exclusive mode`.execute(trx);
    const known = await listSigningKeys(trx);
    const [newest] = known;
    const isDue = !newest?.requiresAudience || newest.createdAt < renewBefore;
    if (isDue)
      await trx
        .insertInto("signing_keys")
        .values({ kid: fresh.kid, secret: Buffer.from(fresh.secret), created_at: now })
        .execute();
    const added = { kid: fresh.kid, secret: fresh.secret, requiresAudience: true, createdAt: now };
    const keys = isDue ? [added, ...known] : known;
    const gone = keys.filter((_, at) => {
      const successor = keys[at - 1];
      return successor !== undefined && successor.createdAt < deleteBefore;
    });
    const kids = gone.map(({ kid }) => kid);
    if (kids.length > 0) await trx.deleteFrom("signing_keys").where("kid", "in", kids).execute();
    const [first = added, ...others] = keys.filter((key) => !gone.includes(key));
    return [first, ...others];
  });
}

/** Keys that signatures may be of, newest first. */
export async function listSigningKeys(
  db: Db,
): Promise<readonly (SigningKey & { readonly createdAt: Date })[]> {
  return await db
    .selectFrom("signing_keys")
    .select(["kid", "secret", "requires_audience as requiresAudience", "created_at as createdAt"])
    .orderBy("created_at", "desc")
    .orderBy("kid")
    .execute();
}
