import { sql } from "kysely";
import type { ApiKeyScope } from "../account-tables.ts";
import type { Db } from "../schema.ts";

/** Ids as one parameter, however many they are. */
const uuids = (ids: readonly string[]) => sql<string>`any(${ids}::uuid[])`;

/** Those of these API keys that work now, with what they may do. */
export async function findLiveKeys(
  db: Db,
  ids: readonly string[],
  now: Date,
): Promise<
  readonly { readonly id: string; readonly teamId: string; readonly scopes: readonly ApiKeyScope[] }[]
> {
  return await db
    .selectFrom("api_keys")
    .innerJoin("teams", "teams.id", "api_keys.team_id")
    .select(["api_keys.id as id", "api_keys.team_id as teamId", "api_keys.scopes as scopes"])
    .where("api_keys.id", "=", uuids(ids))
    .where((eb) => eb.or([eb("api_keys.expires_at", "is", null), eb("api_keys.expires_at", ">", now)]))
    .where("teams.deleted_at", "is", null)
    .execute();
}

/** Those of these sessions that live, each with the teams that its user belongs to among the named ones. */
export async function findLiveSessions(
  db: Db,
  ids: readonly string[],
  teamIds: readonly string[],
  now: Date,
): Promise<readonly { readonly id: string; readonly teamId: string }[]> {
  return await db
    .selectFrom("sessions")
    .innerJoin("users", "users.id", "sessions.user_id")
    .innerJoin("memberships", "memberships.user_id", "sessions.user_id")
    .innerJoin("teams", "teams.id", "memberships.team_id")
    .select(["sessions.id as id", "memberships.team_id as teamId"])
    .where("sessions.id", "=", uuids(ids))
    .where("memberships.team_id", "=", uuids(teamIds))
    .where("sessions.revoked_at", "is", null)
    .where("sessions.expires_at", ">", now)
    .where("users.status", "=", "active")
    .where("teams.deleted_at", "is", null)
    .execute();
}

/** Those of these users who administer the platform. */
export async function findLiveAdministrators(db: Db, ids: readonly string[]): Promise<readonly string[]> {
  const rows = await db
    .selectFrom("users")
    .select("id")
    .where("id", "=", uuids(ids))
    .where("is_admin", "=", true)
    .where("status", "=", "active")
    .execute();
  return rows.map(({ id }) => id);
}

/** Those of these links to ports that work. */
export async function findLiveLinks(db: Db, ids: readonly string[], now: Date): Promise<readonly string[]> {
  const rows = await db
    .selectFrom("port_links")
    .select("id")
    .where("id", "=", uuids(ids))
    .where("expires_at", ">", now)
    .execute();
  return rows.map(({ id }) => id);
}

/** The public ports of these capsules; port 0 for one whose ports are public to everyone, or to those who show its token. */
export async function findPublicPorts(
  db: Db,
  capsuleIds: readonly string[],
): Promise<readonly { readonly capsuleId: string; readonly port: number }[]> {
  return await db
    .selectFrom("port_access")
    .select(["sandbox_id as capsuleId", "port"])
    .where("sandbox_id", "=", uuids(capsuleIds))
    .where("access", "=", "public")
    .unionAll(
      db
        .selectFrom("sandboxes")
        .select(["id as capsuleId", sql<number>`0`.as("port")])
        .where("id", "=", uuids(capsuleIds))
        .where("ingress", "is not", null),
    )
    .execute();
}
