import { WrennError } from "@wrenn/core";
import { quotaQueries } from "@wrenn/database";
import type { QueuedTransactions, TeamUse, Trx } from "@wrenn/database";

/** What errors call room on hosts' disks. */
export const STORAGE = "MiB of storage";
const MIB = 2 ** 20;
/** The disk, records and logs of a capsule that has written nothing yet. */
const NEW_CAPSULE_BYTES = 16 * MIB;

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
  transactions: QueuedTransactions,
  teamId: string,
  requested: RequestedResources,
  work: (trx: Trx, use: TeamUse) => Promise<T>,
): Promise<T> {
  return await transactions.run("team", teamId, async (trx) => {
    const use = await quotaQueries.lockTeamUse(trx, teamId);
    const problem = exceeded(use, requested);
    if (problem) throw problem;
    return await work(trx, use);
  });
}

/** What there would be too much of; undefined when there is room. */
export function exceeded(use: TeamUse, requested: RequestedResources): WrennError | undefined {
  const storageBytes = use.storageBytes + requested.capsules * NEW_CAPSULE_BYTES;
  const rows = [
    ["capsules", use.capsules + requested.capsules, use.limits.capsules],
    ["virtual CPUs", use.vcpus + requested.vcpus, use.limits.vcpus],
    ["MiB of memory", use.memoryMib + requested.memoryMib, use.limits.memoryMib],
    [STORAGE, Math.ceil(storageBytes / MIB), use.limits.storageBytes / MIB],
  ] as const;
  for (const [what, after, limit] of rows)
    if (after > limit) return new WrennError("quota_exceeded", { what, limit, wanted: after });
  return undefined;
}

/**
 * Whether a team may store more.
 *
 * @throws WrennError `quota_exceeded` naming what there would be too much of.
 */
export function requireStorage(
  use: TeamUse,
  requested: { readonly bytes: number; readonly checkpoints: number; readonly templates?: number },
): void {
  const { limits } = use;
  const rows = [
    ["templates", use.templates, requested.templates ?? 0, limits.templates],
    ["checkpoints", use.checkpoints, requested.checkpoints, limits.checkpoints],
    [STORAGE, Math.ceil(use.storageBytes / MIB), Math.ceil(requested.bytes / MIB), limits.storageBytes / MIB],
  ] as const;
  for (const [what, has, more, limit] of rows)
    if (more > 0 && has + more > limit)
      throw new WrennError("quota_exceeded", { what, limit, wanted: has + more });
}
