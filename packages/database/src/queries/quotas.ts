import { sql } from "kysely";
import type { Db, Trx } from "../schema.ts";

/** What a team may have, and what it has. Memory in MiB. */
export interface TeamUse {
  readonly limits: {
    readonly capsules: number;
    readonly vcpus: number;
    readonly memoryMib: number;
    readonly templates: number;
  };
  readonly capsules: number;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly templates: number;
}

/**
 * Locks the team until the end of the transaction, so that two creates at once cannot both take the last place, and says what it
 * has: every capsule that has not ended counts, CPUs and memory only of those that are not paused.
 */
export async function lockTeamUse(trx: Trx, teamId: string): Promise<TeamUse> {
  const team = await trx
    .selectFrom("teams")
    .select(["max_capsules", "max_vcpus", "max_memory_mb", "max_templates"])
    .where("id", "=", teamId)
    .forNoKeyUpdate()
    .executeTakeFirstOrThrow();
  const use = await trx
    .selectFrom("sandboxes")
    .select(({ fn }) => [
      fn.countAll<string>().as("capsules"),
      sql<string>`coalesce(sum(vcpus) filter (where status <> 'paused'), 0)`.as("vcpus"),
      sql<string>`coalesce(sum(memory_mb) filter (where status <> 'paused'), 0)`.as("memory_mb"),
    ])
    .where("team_id", "=", teamId)
    .where("status", "not in", ["stopped", "error"])
    .executeTakeFirstOrThrow();
  const templates = await countTemplates(trx, teamId);
  return {
    limits: {
      capsules: team.max_capsules,
      vcpus: team.max_vcpus,
      memoryMib: team.max_memory_mb,
      templates: team.max_templates,
    },
    capsules: Number(use.capsules),
    vcpus: Number(use.vcpus),
    memoryMib: Number(use.memory_mb),
    templates,
  };
}

async function countTemplates(db: Db, teamId: string): Promise<number> {
  const { count } = await db
    .selectFrom("templates")
    .select(({ fn }) => fn.countAll<string>().as("count"))
    .where("team_id", "=", teamId)
    .executeTakeFirstOrThrow();
  return Number(count);
}
