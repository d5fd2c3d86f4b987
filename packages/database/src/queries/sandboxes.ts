import { sql } from "kysely";
import type { Kysely, Selectable, SqlBool } from "kysely";
import { olderThan, placeOf } from "./page.ts";
import type { Page } from "./page.ts";
import type { NetworkRules, SandboxesTable, SandboxStatus, Schema } from "../schema.ts";

type Db = Kysely<Schema>;

export type SandboxRow = Selectable<SandboxesTable>;

export interface NewSandbox {
  readonly id: string;
  readonly teamId: string;
  readonly hostId: string;
  readonly template: string;
  readonly vcpus: number;
  readonly memoryMb: number;
  readonly diskMb: number;
  readonly timeoutSec: number;
  readonly maxLifetimeSec?: number;
  readonly autoResume?: boolean;
  readonly network?: NetworkRules;
}

const ended: readonly SandboxStatus[] = ["stopped", "error"];

/** A new capsule, `pending`. */
export async function insertSandbox(db: Db, sandbox: NewSandbox): Promise<SandboxRow> {
  const [row] = await insertSandboxes(db, [sandbox]);
  if (!row) throw new Error("the row of the capsule was not written");
  return row;
}

/** New capsules, `pending`. */
export async function insertSandboxes(
  db: Db,
  sandboxes: readonly NewSandbox[],
): Promise<readonly SandboxRow[]> {
  return await db.insertInto("sandboxes").values(sandboxes.map(columnsOf)).returningAll().execute();
}

function columnsOf(sandbox: NewSandbox) {
  return {
    id: sandbox.id,
    team_id: sandbox.teamId,
    host_id: sandbox.hostId,
    template: sandbox.template,
    status: "pending" as const,
    vcpus: sandbox.vcpus,
    memory_mb: sandbox.memoryMb,
    disk_mb: sandbox.diskMb,
    timeout_sec: sandbox.timeoutSec,
    max_lifetime_sec: sandbox.maxLifetimeSec ?? 0,
    auto_resume: sandbox.autoResume ?? false,
    network: sandbox.network ? JSON.stringify(sandbox.network) : null,
    host_ip: null,
    problem: null,
    started_at: null,
    last_active_at: null,
  };
}

/** One capsule of a team; a foreign one is not there. */
export async function findSandbox(db: Db, teamId: string, id: string): Promise<SandboxRow | undefined> {
  return await db
    .selectFrom("sandboxes")
    .selectAll()
    .where("id", "=", id)
    .where("team_id", "=", teamId)
    .executeTakeFirst();
}

/** One capsule of whatever team. */
export async function findAnySandbox(db: Db, id: string): Promise<SandboxRow | undefined> {
  return await db.selectFrom("sandboxes").selectAll().where("id", "=", id).executeTakeFirst();
}

/** A team's capsules that have not ended, newest first: all, or a page of them with the place of each. */
export async function listSandboxes(
  db: Db,
  teamId: string,
  page?: Page,
): Promise<readonly (SandboxRow & { readonly place?: string })[]> {
  return await db
    .selectFrom("sandboxes")
    .selectAll()
    .$if(page !== undefined, (query) =>
      query
        .select(placeOf("created_at", "id").as("place"))
        .where(olderThan(page?.after, "created_at", "id"))
        .limit(page?.limit ?? 0),
    )
    .where("team_id", "=", teamId)
    .where("status", "not in", ended)
    .orderBy("created_at", "desc")
    .orderBy("id", "desc")
    .execute();
}

/**
 * Capsules of a host that have not ended, without those that a control plane is doing something with: what becomes of them is
 * told by whoever does it.
 */
export async function listSettledSandboxes(db: Db, hostId: string): Promise<readonly SandboxRow[]> {
  return await db
    .selectFrom("sandboxes")
    .selectAll()
    .where("host_id", "=", hostId)
    .where("status", "not in", ended)
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom("operations")
            .select("operations.id")
            .whereRef("operations.sandbox_id", "=", "sandboxes.id")
            .where("operations.state", "=", "running"),
        ),
      ),
    )
    .execute();
}

/** Capsules of whatever state, of those asked for. */
export async function findSandboxes(db: Db, ids: readonly string[]): Promise<readonly SandboxRow[]> {
  if (ids.length === 0) return [];
  return await db
    .selectFrom("sandboxes")
    .selectAll()
    // One text for any number of them.
    .where(sql<SqlBool>`id = any(${ids}::uuid[])`)
    .execute();
}

/** Capsules of hosts that cannot be asked: nobody knows how they are. */
export async function markMissing(db: Db, hostId: string, at: Date): Promise<void> {
  await db
    .updateTable("sandboxes")
    .set((eb) => ({ status: "missing", version: eb("version", "+", 1), last_updated: at }))
    .where("host_id", "=", hostId)
    .where("status", "in", ["running", "starting"])
    .execute();
}

/** What a host has, running or paused. */
export async function listHostSandboxes(db: Db, hostId: string): Promise<readonly SandboxRow[]> {
  return await db
    .selectFrom("sandboxes")
    .selectAll()
    .where("host_id", "=", hostId)
    .where("status", "not in", ended)
    .orderBy("created_at")
    .execute();
}

/** Everything on a host is over. */
export async function endSandboxesOf(db: Db, hostId: string, problem: string, at: Date): Promise<void> {
  await db
    .updateTable("sandboxes")
    .set((eb) => ({
      status: "stopped",
      host_ip: null,
      problem,
      version: eb("version", "+", 1),
      last_updated: at,
    }))
    .where("host_id", "=", hostId)
    .where("status", "not in", ended)
    .execute();
}

/** A capsule that could not be started where it was placed gets another place. */
export async function moveSandbox(db: Db, id: string, hostId: string): Promise<void> {
  await db.updateTable("sandboxes").set({ host_id: hostId }).where("id", "=", id).execute();
}

export interface SandboxChange {
  readonly status: SandboxStatus;
  readonly hostIp?: string | null;
  readonly problem?: string | null;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly startedAt?: Date;
  /** Version of the row that the change was decided on; without it only the state must be right. */
  readonly version?: number;
}

/**
 * Moves a capsule to another state if it is still in one of `from`.
 *
 * @returns the changed row, or undefined when somebody else was quicker.
 */
export async function changeSandbox(
  db: Db,
  id: string,
  from: readonly SandboxStatus[],
  change: SandboxChange,
  at: Date,
): Promise<SandboxRow | undefined> {
  return await db
    .updateTable("sandboxes")
    .set((eb) => ({
      status: change.status,
      version: eb("version", "+", 1),
      last_updated: at,
      ...(change.status === "missing" ? {} : { running_since: runningSince(change.status, at) }),
      ...(change.hostIp === undefined ? {} : { host_ip: change.hostIp }),
      ...(change.problem === undefined ? {} : { problem: change.problem }),
      ...(change.metadata === undefined ? {} : { metadata: JSON.stringify(change.metadata) }),
      ...(change.startedAt === undefined ? {} : { started_at: change.startedAt }),
    }))
    .where("id", "=", id)
    .where("status", "in", from)
    .$if(change.version !== undefined, (query) => query.where("version", "=", change.version ?? 0))
    .returningAll()
    .executeTakeFirst();
}

/** A capsule that runs already, or that was out of sight, has been running since before. */
function runningSince(status: SandboxStatus, at: Date) {
  if (status !== "running") return sql<null>`null`;
  return sql<Date>`case when status in ('running', 'missing') then coalesce(running_since, ${at}) else ${at} end`;
}

/** A capsule that a host started, and the operation that this ends. */
export interface StartedSandbox {
  readonly id: string;
  readonly operationId: string;
  readonly hostIp: string | null;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Capsules run from now on, and the operations that started them have succeeded. @returns their rows, in any order. */
export async function startSandboxes(
  db: Db,
  started: readonly StartedSandbox[],
  at: Date,
): Promise<readonly SandboxRow[]> {
  const given = started.map(({ id, operationId, hostIp, metadata }) => ({
    id,
    operation_id: operationId,
    host_ip: hostIp,
    metadata,
  }));
  const { rows } = await sql<SandboxRow>`
    with given as (
      select * from jsonb_to_recordset(${JSON.stringify(given)}::jsonb)
        as given(id uuid, operation_id uuid, host_ip text, metadata jsonb)
    ), finished as (
      update operations set state = 'succeeded', finished_at = ${at}
      from given where operations.id = given.operation_id and operations.state = 'running'
    )
    update sandboxes set status = 'running', version = version + 1, last_updated = ${at}, started_at = ${at},
      running_since = ${runningSince("running", at)}, host_ip = given.host_ip, metadata = given.metadata
    from given where sandboxes.id = given.id and sandboxes.status <> 'stopped'
    returning sandboxes.*`.execute(db);
  return rows;
}

/** Says what a capsule may reach from now on. */
export async function setSandboxNetwork(db: Db, id: string, network: NetworkRules): Promise<void> {
  await db
    .updateTable("sandboxes")
    .set({ network: JSON.stringify(network) })
    .where("id", "=", id)
    .execute();
}

/** Something happened in a capsule. */
export async function touchSandbox(db: Db, id: string, at: Date): Promise<void> {
  await db.updateTable("sandboxes").set({ last_active_at: at }).where("id", "=", id).execute();
}
