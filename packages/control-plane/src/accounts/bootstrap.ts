import { randomHex } from "@wrenn/core";
import type { Random } from "@wrenn/core";
import { apiKeyQueries, teamQueries } from "@wrenn/database";
import type { Database } from "@wrenn/database";
import { PLATFORM_TEAM } from "../http/identity.ts";
import { hashApiKey } from "./api-key-auth.ts";
import { newApiKey } from "./new-api-key.ts";

/**
 * On the first start of an installation: the platform team, a first team, and a key of it.
 *
 * @returns the key, which is kept nowhere else, on the first start only.
 */
export async function ensureFirstTeam(
  database: Database,
  random: Random,
): Promise<{ readonly apiKey?: string }> {
  if (await teamQueries.teamExists(database.db, PLATFORM_TEAM)) return {};
  return await database.db.transaction().execute(async (trx) => {
    await teamQueries.insertTeam(trx, { id: PLATFORM_TEAM, name: "Platform", slug: "platform" });
    const teamId = random.uuid();
    await teamQueries.insertTeam(trx, {
      id: teamId,
      name: "Default",
      slug: `${randomHex(random, 3)}-${randomHex(random, 3)}`,
    });
    const { key: apiKey, prefix } = newApiKey(random, "wrenn");
    await apiKeyQueries.insertApiKey(trx, {
      id: random.uuid(),
      teamId,
      name: "First key",
      hash: hashApiKey(apiKey),
      prefix,
    });
    return { apiKey };
  });
}
