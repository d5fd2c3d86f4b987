import { sql } from "kysely";
import type { Db } from "../schema.ts";

export interface SigningKey {
  readonly kid: string;
  readonly secret: Uint8Array;
}

/** All keys that signatures may be of, newest first; `fresh` becomes the first one where there is none. */
export async function ensureSigningKey(
  db: Db,
  fresh: SigningKey,
): Promise<readonly [SigningKey, ...SigningKey[]]> {
  return await db.transaction().execute(async (trx) => {
    // Servers that start together agree on one.
    await sql`lock table signing_keys in share row exclusive mode`.execute(trx);
    const [newest, ...older] = await trx
      .selectFrom("signing_keys")
      .select(["kid", "secret"])
      .orderBy("created_at", "desc")
      .execute();
    if (newest) return [newest, ...older];
    await trx
      .insertInto("signing_keys")
      .values({ kid: fresh.kid, secret: Buffer.from(fresh.secret) })
      .execute();
    return [fresh];
  });
}
