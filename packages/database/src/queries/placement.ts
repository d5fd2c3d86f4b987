import { sql } from "kysely";
import type { Trx } from "../schema.ts";

/** A host that can take capsules, and what those that it has may use. Memory and disk in MiB. */
export interface HostLoad {
  readonly id: string;
  readonly cpuCores: number;
  readonly memoryMib: number;
  readonly diskMib: number;
  readonly used: { readonly vcpus: number; readonly memoryMib: number; readonly diskMib: number };
}

/**
 * Hosts that a team's capsules may be placed on: its own when it brought some, those of the platform otherwise. A paused capsule
 * counts half of its memory and two thirds of its disk, since it may come back (docs/reference/control-plane.md#placement).
 *
 * @param reachable limits them to hosts that the caller can ask.
 */
export async function listHostLoads(
  trx: Trx,
  teamId: string,
  reachable: readonly string[],
): Promise<readonly HostLoad[]> {
  if (reachable.length === 0) return [];
  const { rows } = await sql<{
    id: string;
    cpu_cores: number;
    memory_mb: number;
    disk_gb: number;
    vcpus: string;
    memory: string;
    disk: string;
  }>`
    select h.id, h.cpu_cores, h.memory_mb, h.disk_gb,
      coalesce(sum(s.vcpus) filter (where s.status <> 'paused'), 0) as vcpus,
      coalesce(sum(case when s.status = 'paused' then s.memory_mb / 2 else s.memory_mb end), 0) as memory,
      coalesce(sum(case when s.status = 'paused' then s.disk_mb * 2 / 3 else s.disk_mb end), 0) as disk
    from hosts h
    join teams t on t.id = ${teamId}
    left join sandboxes s on s.host_id = h.id and s.status not in ('stopped', 'error')
    where h.status = 'online' and h.deleted_at is null and h.id = any(${reachable}::uuid[])
      and case when t.is_byoc then h.team_id = t.id else h.type = 'regular' end
    group by h.id
    order by h.created_at, h.id`.execute(trx);
  return rows.map((row) => ({
    id: row.id,
    cpuCores: row.cpu_cores,
    memoryMib: row.memory_mb,
    diskMib: row.disk_gb * 1000,
    used: { vcpus: Number(row.vcpus), memoryMib: Number(row.memory), diskMib: Number(row.disk) },
  }));
}

/** Nobody else places anything on the host until the end of the transaction. @returns whether it still takes capsules. */
export async function lockHost(trx: Trx, id: string): Promise<boolean> {
  const host = await trx
    .selectFrom("hosts")
    .select("status")
    .where("id", "=", id)
    .where("deleted_at", "is", null)
    .forNoKeyUpdate()
    .executeTakeFirst();
  return host?.status === "online";
}
