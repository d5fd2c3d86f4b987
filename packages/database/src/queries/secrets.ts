import type { Db } from "../schema.ts";

/** The secret of that name; `fresh` becomes it when there is none, and of several at once the first one wins. */
export async function ensureSecret(db: Db, name: string, fresh: Buffer): Promise<Buffer> {
  await db
    .insertInto("secrets")
    .values({ name, value: fresh })
    .onConflict((conflict) => conflict.column("name").doNothing())
    .execute();
  const row = await db
    .selectFrom("secrets")
    .select("value")
    .where("name", "=", name)
    .executeTakeFirstOrThrow();
  return row.value;
}
