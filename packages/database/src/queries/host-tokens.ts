import type { HostTokenPurpose } from "../host-tables.ts";
import type { Db, Trx } from "../schema.ts";

/** Puts a host's token in the place of earlier ones of the same purpose. */
export async function putHostToken(
  db: Db,
  token: {
    readonly hash: string;
    readonly hostId: string;
    readonly purpose: HostTokenPurpose;
    readonly expiresAt: Date;
  },
): Promise<void> {
  const { hash, hostId, purpose, expiresAt } = token;
  await db.deleteFrom("host_tokens").where("host_id", "=", hostId).where("purpose", "=", purpose).execute();
  await db
    .insertInto("host_tokens")
    .values({ hash, host_id: hostId, purpose, expires_at: expiresAt })
    .execute();
}

/** Takes a token that is still good; of several who bring it one gets it. @returns its host. */
export async function takeHostToken(
  db: Db,
  hash: string,
  purpose: HostTokenPurpose,
  now: Date,
): Promise<string | undefined> {
  const taken = await db
    .deleteFrom("host_tokens")
    .where("hash", "=", hash)
    .where("purpose", "=", purpose)
    .where("expires_at", ">", now)
    .returning("host_id")
    .executeTakeFirst();
  return taken?.host_id;
}

/** Ends every token that registers a host: an administrator of the platform may have made any of them. */
export async function deleteRegistrationTokens(trx: Trx): Promise<void> {
  await trx.deleteFrom("host_tokens").where("purpose", "=", "registration").execute();
}

/** The host of a token that is still good. */
export async function findHostToken(
  db: Db,
  hash: string,
  purpose: HostTokenPurpose,
  now: Date,
): Promise<string | undefined> {
  const found = await db
    .selectFrom("host_tokens")
    .select("host_id")
    .where("hash", "=", hash)
    .where("purpose", "=", purpose)
    .where("expires_at", ">", now)
    .executeTakeFirst();
  return found?.host_id;
}

/**
 * Puts a refresh token in the place of the one that was used. That one stays good until `graceUntil`, or until its successor
 * is used: the answer that brought it may never have arrived.
 */
export async function succeedRefreshToken(
  db: Db,
  token: {
    readonly hash: string;
    readonly hostId: string;
    readonly expiresAt: Date;
    readonly used: string;
    readonly graceUntil: Date;
  },
): Promise<void> {
  const { hash, hostId, expiresAt, used, graceUntil } = token;
  await db
    .deleteFrom("host_tokens")
    .where("host_id", "=", hostId)
    .where("purpose", "=", "refresh")
    .where("hash", "!=", used)
    .execute();
  await db
    .updateTable("host_tokens")
    .set((eb) => ({ expires_at: eb.fn<Date>("least", ["expires_at", eb.val(graceUntil)]) }))
    .where("hash", "=", used)
    .execute();
  await db
    .insertInto("host_tokens")
    .values({ hash, host_id: hostId, purpose: "refresh", expires_at: expiresAt })
    .execute();
}
