import { randomHex } from "@wrenn/core";
import type { Clock, Random } from "@wrenn/core";
import { apiKeyQueries } from "@wrenn/database";
import type { Database } from "@wrenn/database";
import { PLATFORM_TEAM } from "../http/identity.ts";
import { hashApiKey } from "./api-key-auth.ts";

const PREFIX_LENGTH = 10;
const NAME = "Command line of a server's machine";

/**
 * A key of the platform's team, with which the operator's command line builds templates for every team. Only the operator can read where
 * it is kept.
 *
 * @param kept - the key of the start before; it is replaced when the database does not have it, such as after a restore.
 */
export async function ensurePlatformKey(
  database: Database,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
  kept: string | undefined,
): Promise<string> {
  if (kept !== undefined) {
    const known = await apiKeyQueries.findApiKey(database.db, hashApiKey(kept), new Date(clock.now()));
    if (known?.teamId === PLATFORM_TEAM) return kept;
  }
  const key = `wrn_${randomHex(random, 16)}`;
  await apiKeyQueries.insertApiKey(database.db, {
    id: random.uuid(),
    teamId: PLATFORM_TEAM,
    name: NAME,
    hash: hashApiKey(key),
    prefix: key.slice(0, PREFIX_LENGTH),
    scopes: ["read", "run", "manage"],
  });
  return key;
}
