import type { SignInAttemptsTable, SignInIntent } from "../account-tables.ts";
import type { Db } from "../schema.ts";

/** A browser on its way to a provider and back. */
export interface SignInAttemptRow {
  readonly intent: SignInIntent;
  /** The log-in that connects a provider. */
  readonly sessionId: string | null;
}

export async function insertSignInAttempt(db: Db, attempt: SignInAttemptsTable): Promise<void> {
  await db
    .insertInto("sign_in_attempts")
    .values({
      hash: attempt.hash,
      provider: attempt.provider,
      intent: attempt.intent,
      session_id: attempt.session_id,
      expires_at: attempt.expires_at,
    })
    .execute();
}

/** One that is neither over nor finished. */
export async function findSignInAttempt(
  db: Db,
  hash: string,
  provider: string,
  now: Date,
): Promise<SignInAttemptRow | undefined> {
  return await db
    .selectFrom("sign_in_attempts")
    .select(["intent", "session_id as sessionId"])
    .where("hash", "=", hash)
    .where("provider", "=", provider)
    .where("expires_at", ">", now)
    .executeTakeFirst();
}

/** Finishes one; of several who do so at once one is told true. */
export async function takeSignInAttempt(db: Db, hash: string): Promise<boolean> {
  const result = await db.deleteFrom("sign_in_attempts").where("hash", "=", hash).executeTakeFirst();
  return result.numDeletedRows > 0n;
}
