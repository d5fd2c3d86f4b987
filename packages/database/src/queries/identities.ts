import type { Selectable } from "kysely";
import type { UserIdentitiesTable } from "../account-tables.ts";
import type { Db } from "../schema.ts";
import type { UserRow } from "./users.ts";

export type IdentityRow = Selectable<UserIdentitiesTable>;

/** Somebody at a provider. */
export type IdentityKey = Pick<IdentityRow, "provider" | "issuer" | "subject">;

/** Whose identity this is. */
export async function findIdentityOwner(db: Db, key: IdentityKey): Promise<UserRow | undefined> {
  return await db
    .selectFrom("user_identities")
    .innerJoin("users", "users.id", "user_identities.user_id")
    .selectAll("users")
    .where("provider", "=", key.provider)
    .where("issuer", "=", key.issuer)
    .where("subject", "=", key.subject)
    .executeTakeFirst();
}

/** False, and nothing is changed, when it is somebody's already, or the user has another one of this provider. */
export async function insertIdentity(db: Db, identity: Omit<IdentityRow, "created_at">): Promise<boolean> {
  const result = await db
    .insertInto("user_identities")
    .values({
      provider: identity.provider,
      issuer: identity.issuer,
      subject: identity.subject,
      user_id: identity.user_id,
      email: identity.email,
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
}

/** Identities of a user, by provider. */
export async function listIdentities(db: Db, userId: string): Promise<readonly IdentityRow[]> {
  return await db
    .selectFrom("user_identities")
    .selectAll()
    .where("user_id", "=", userId)
    .orderBy("provider")
    .execute();
}

export async function deleteIdentity(db: Db, userId: string, provider: string): Promise<void> {
  await db
    .deleteFrom("user_identities")
    .where("user_id", "=", userId)
    .where("provider", "=", provider)
    .execute();
}
