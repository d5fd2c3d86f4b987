import type { Db } from "../schema.ts";

/** Drops what nobody can use any more: logins that ended before `ended` with their refresh tokens, links, invitations and attempts to sign in that are over. */
export async function pruneLogins(db: Db, now: Date, ended: Date): Promise<void> {
  await db
    .deleteFrom("sessions")
    .where((eb) => eb.or([eb("expires_at", "<", ended), eb("revoked_at", "<", ended)]))
    .execute();
  await db.deleteFrom("one_time_tokens").where("expires_at", "<", now).execute();
  await db.deleteFrom("sign_in_attempts").where("expires_at", "<", now).execute();
  await db.deleteFrom("invitations").where("expires_at", "<", now).execute();
}
