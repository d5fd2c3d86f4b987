import { WrennError } from "@wrenn/core";
import { quotaQueries } from "@wrenn/database";
import type { Database, TeamUse, Trx } from "@wrenn/database";

export interface RequestedResources {
  readonly capsules: number;
  readonly vcpus: number;
  readonly memoryMib: number;
}

/**
 * Runs `work` in a transaction in which the team has room for what is requested; nothing of the team can be created by others
 * meanwhile.
 *
 * @throws WrennError `quota_exceeded` naming what there is too much of.
 */
export async function withinQuota<T>(
  database: Database,
  teamId: string,
  requested: RequestedResources,
  work: (trx: Trx) => Promise<T>,
): Promise<T> {
  return await database.db.transaction().execute(async (trx) => {
    const problem = exceeded(await quotaQueries.lockTeamUse(trx, teamId), requested);
    if (problem) throw problem;
    return await work(trx);
  });
}

/** What there would be too much of; undefined when there is room. */
export function exceeded(use: TeamUse, requested: RequestedResources): WrennError | undefined {
  const rows = [
    ["capsules", use.capsules + requested.capsules, use.limits.capsules],
    ["virtual CPUs", use.vcpus + requested.vcpus, use.limits.vcpus],
    ["MiB of memory", use.memoryMib + requested.memoryMib, use.limits.memoryMib],
  ] as const;
  for (const [what, after, limit] of rows)
    if (after > limit) return new WrennError("quota_exceeded", { what, limit, wanted: after });
  return undefined;
}

/** @throws WrennError `quota_exceeded` when the team has as many templates as it may have. */
export async function requireTemplateRoom(database: Database, teamId: string): Promise<void> {
  await database.db.transaction().execute(async (trx) => {
    const { templates, limits } = await quotaQueries.lockTeamUse(trx, teamId);
    if (templates >= limits.templates) {
      throw new WrennError("quota_exceeded", {
        what: "templates",
        limit: limits.templates,
        wanted: templates + 1,
      });
    }
  });
}
