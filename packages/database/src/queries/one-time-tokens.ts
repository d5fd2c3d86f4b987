import type { TokenPurpose } from "../account-tables.ts";
import type { Db } from "../schema.ts";

/** Puts a one-time token in the place of earlier ones of the same purpose. */
export async function putOneTimeToken(
  db: Db,
  token: {
    readonly hash: string;
    readonly purpose: TokenPurpose;
    readonly userId: string | null;
    readonly expiresAt: Date;
    /** Of the secret of the browser that asked for it. */
    readonly browserHash?: string | null;
    /** Login that it ends with. */
    readonly sessionId?: string;
  },
): Promise<void> {
  const { hash, purpose, userId, expiresAt, browserHash = null, sessionId = null } = token;
  await db
    .deleteFrom("one_time_tokens")
    .where("purpose", "=", purpose)
    .where("user_id", "is not distinct from", userId)
    .execute();
  await db
    .insertInto("one_time_tokens")
    .values({
      hash,
      purpose,
      user_id: userId,
      expires_at: expiresAt,
      browser_hash: browserHash,
      session_id: sessionId,
    })
    .execute();
}

/** What a one-time token was made for. */
export interface TakenToken {
  readonly userId: string | null;
  readonly browserHash: string | null;
  readonly sessionId: string | null;
}

/** Takes a token that is still good; of several who bring it one gets it. */
export async function takeOneTimeToken(
  db: Db,
  hash: string,
  purpose: TokenPurpose,
  now: Date,
): Promise<TakenToken | undefined> {
  return await db
    .deleteFrom("one_time_tokens")
    .where("hash", "=", hash)
    .where("purpose", "=", purpose)
    .where("expires_at", ">", now)
    .returning(["user_id as userId", "browser_hash as browserHash", "session_id as sessionId"])
    .executeTakeFirst();
}
