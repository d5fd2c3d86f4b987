import type { Db } from "../schema.ts";

/**
 * The secret of that name. Where there is none, `make` makes it; of several made at once, the first one stored is everyone's.
 *
 * @throws Error what `make` throws.
 */
export async function ensureSecret(
  db: Db,
  name: string,
  make: () => Uint8Array | Promise<Uint8Array>,
): Promise<Buffer> {
  const stored = await findSecret(db, name);
  if (stored) return stored;
  await db
    .insertInto("secrets")
    .values({ name, value: Buffer.from(await make()) })
    .onConflict((conflict) => conflict.column("name").doNothing())
    .execute();
  const row = await findSecret(db, name);
  if (!row) throw new Error(`the secret ${name} was deleted`);
  return row;
}

async function findSecret(db: Db, name: string): Promise<Buffer | undefined> {
  const row = await db.selectFrom("secrets").select("value").where("name", "=", name).executeTakeFirst();
  return row?.value;
}
