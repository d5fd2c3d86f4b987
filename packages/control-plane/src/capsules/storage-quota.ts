import { WrennError } from "@wrenn/core";
import { quotaQueries, storageQueries } from "@wrenn/database";
import type {
  CapsuleRow,
  Database,
  OperationKind,
  QueuedTransactions,
  StorageClaim,
  Trx,
} from "@wrenn/database";
import type { StorageMeter } from "../hosts/storage-meter.ts";
import { requireStorage, STORAGE } from "../teams/quotas.ts";
import type { Operations } from "./operations.ts";

const MIB = 2 ** 20;
/** Device state and records of a saved moment. */
const MOMENT_BYTES = 4 * MIB;

export interface StorageQuotaDeps {
  readonly database: Database;
  readonly meter: Pick<StorageMeter, "refresh">;
  readonly operations: Operations;
  readonly transactions: QueuedTransactions;
}

/**
 * Admits operations that store something on a host. The most that an operation may add is claimed in the transaction that begins
 * it: operations at the same time, and those between two reports of a host, count with what they may become.
 */
export class StorageQuota {
  readonly #deps: StorageQuotaDeps;

  constructor(deps: StorageQuotaDeps) {
    this.#deps = deps;
  }

  /**
   * Begins an operation within the quota of its team.
   *
   * @returns the ids of the operation, for `Operations.finish`.
   * @throws WrennError `quota_exceeded` naming what there would be too much of.
   */
  async begin(
    row: CapsuleRow,
    kind: OperationKind,
    claim: StorageClaim,
    requested: { readonly templates?: number } = {},
  ): Promise<readonly string[]> {
    const { operations, transactions } = this.#deps;
    return await this.remeasured(row.team_id, () =>
      transactions.run("team", row.team_id, async (trx) => {
        await requireCapsuleStorage(trx, row, { ...claim, ...requested });
        return await operations.begin(trx, [row.id], kind, claim);
      }),
    );
  }

  /** Does `work` again with present numbers when it exceeds the quota by those of the last reports. */
  async remeasured<T>(teamId: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!WrennError.is(error, "quota_exceeded") || !isOfStorage(error)) throw error;
      const { database, meter } = this.#deps;
      await meter.refresh(await storageQueries.listHostsOfTeam(database.db, teamId));
      return await work();
    }
  }

  /** Records what a checkpoint added, before its claim ends. */
  async settle(capsuleId: string, memoryBytes: number): Promise<void> {
    const added = { bytes: memoryBytes + MOMENT_BYTES, checkpoints: 1 };
    await storageQueries.addStorage(this.#deps.database.db, capsuleId, added);
  }
}

/** Whether a report of a host may change the answer. */
function isOfStorage({ context }: WrennError<"quota_exceeded">): boolean {
  return String(context["what"]) === STORAGE || String(context["what"]).startsWith("checkpoints");
}

/** The most that a saved moment of a capsule adds: all of its memory. Its disk is stored already. */
export function momentClaim({ memory_mb: memoryMib }: CapsuleRow, checkpoints: number): StorageClaim {
  return { bytes: memoryMib * MIB + MOMENT_BYTES, checkpoints };
}

/** The most that a template made of a capsule adds: its memory, and its disk in one file. */
export function templateClaim(row: CapsuleRow): StorageClaim {
  return { bytes: momentClaim(row, 0).bytes + Number(row.storage_bytes), checkpoints: 0 };
}

async function requireCapsuleStorage(
  trx: Trx,
  row: CapsuleRow,
  requested: StorageClaim & { readonly templates?: number },
): Promise<void> {
  const use = await quotaQueries.lockTeamUse(trx, row.team_id);
  requireStorage(use, requested);
  if (requested.checkpoints === 0) return;
  const wanted = (await quotaQueries.countCapsuleCheckpoints(trx, row.id)) + requested.checkpoints;
  const limit = use.limits.capsuleCheckpoints;
  if (wanted > limit)
    throw new WrennError("quota_exceeded", { what: "checkpoints of a capsule", limit, wanted });
}
