import { WrennError } from "@wrenn/core";
import { userQueries } from "@wrenn/database";
import type { Database } from "@wrenn/database";
import type { Identity } from "../http/identity.ts";
import { PLATFORM_TEAM } from "../http/identity.ts";

/**
 * Lets an administrator act in the platform's team, whatever team they came from. Whether somebody is one is read from the database
 * at each request: what a token or a cache says of it may be over.
 *
 * @throws WrennError `session_required` for a key, `admin_required`.
 */
export async function actingForPlatform(database: Database, { session }: Identity): Promise<Identity> {
  if (!session) throw new WrennError("session_required", {});
  const user = await userQueries.findUser(database.db, session.userId);
  if (user?.is_admin !== true || user.status !== "active") throw new WrennError("admin_required", {});
  return { teamId: PLATFORM_TEAM, session: { ...session, teamId: PLATFORM_TEAM, role: "owner" } };
}
