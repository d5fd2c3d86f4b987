import { randomHex } from "@wrenn/core";
import type { Random } from "@wrenn/core";
import { teamQueries, userQueries } from "@wrenn/database";
import type { Trx, UserRow } from "@wrenn/database";

/** Creates a user's first team (docs/reference/rest-api.md#accounts). @returns its id. */
export async function insertPersonalTeam(
  trx: Trx,
  random: Random,
  user: Pick<UserRow, "id" | "name">,
): Promise<string> {
  const teamId = random.uuid();
  const slug = `${randomHex(random, 3)}-${randomHex(random, 3)}`;
  await teamQueries.insertTeam(trx, { id: teamId, name: `${user.name}'s Team`, slug });
  await userQueries.insertMembership(trx, { userId: user.id, teamId, role: "owner", isDefault: true });
  return teamId;
}
