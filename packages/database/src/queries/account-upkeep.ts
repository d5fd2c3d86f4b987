import type { Db } from "../schema.ts";

/** Drops what no one can use: logins that ended before `ended` with their refresh tokens; mailed links, invitations, attempts to sign in, logins of devices and links to ports that are over. */
export async function pruneLogins(db: Db, now: Date, ended: Date): Promise<void> {
  await db
    .deleteFrom("sessions")
    .where((eb) => eb.or([eb("expires_at", "<", ended), eb("revoked_at", "<", ended)]))
    .execute();
  await db.deleteFrom("one_time_tokens").where("expires_at", "<", now).execute();
  await db.deleteFrom("sign_in_attempts").where("expires_at", "<", now).execute();
  // Kept for a while, so that clients learn that they were too late.
  await db.deleteFrom("device_logins").where("expires_at", "<", ended).execute();
  await db.deleteFrom("invitations").where("expires_at", "<", now).execute();
  await db.deleteFrom("port_links").where("expires_at", "<", now).execute();
}
