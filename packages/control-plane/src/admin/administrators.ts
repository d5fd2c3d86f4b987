import { WrennError } from "@wrenn/core";
import { findUser } from "@wrenn/database";
import type { Database, LiveSession } from "@wrenn/database";

/**
 * Whether somebody administers the platform is read from the database at each request: what a token or a cache says of it may be
 * over.
 *
 * @throws WrennError `admin_required`.
 */
export async function requireAdministrator(database: Database, { userId }: LiveSession): Promise<void> {
  const user = await findUser(database.db, userId);
  if (user?.is_admin !== true || user.status !== "active") throw new WrennError("admin_required", {});
}
