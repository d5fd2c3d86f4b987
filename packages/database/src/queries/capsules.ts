import { defined } from "@wrenn/core";
import { sql } from "kysely";
import type { QueryCreator, Selectable, SqlBool } from "kysely";
import type { LifetimeEnd, NetworkRules } from "@wrenn/protocol";
import type { Ingress } from "../capsule-columns.ts";
import type { TemplateCopyProgress, CapsuleRowStatus, CapsulesTable, Db, Schema } from "../schema.ts";

export type CapsuleRow = Selectable<CapsulesTable>;

export interface NewCapsule {
  readonly id: string;
  readonly teamId: string;
  readonly hostId: string;
  readonly template: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly diskMib: number;
  readonly timeoutSec: number;
  readonly maxLifetimeSec?: number;
  readonly onLifetimeEnd?: LifetimeEnd;
  readonly autoResume?: boolean;
  readonly network?: NetworkRules;
  readonly name?: string | undefined;
  /** What its team says about it. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly envNames?: readonly string[];
  readonly user?: string | undefined;
  readonly cwd?: string | undefined;
  readonly ingress?: Ingress | undefined;
}

/** States of capsules that are over. */
export const ended: readonly CapsuleRowStatus[] = ["stopped", "error"];

/** A new capsule, `pending`. */
export async function insertCapsule(db: Db, capsule: NewCapsule): Promise<CapsuleRow> {
  const [row] = await insertCapsules(db, [capsule]);
  if (!row) throw new Error("the row of the capsule was not written");
  return row;
}

/** New capsules, `pending`. */
export async function insertCapsules(
  db: Db,
  capsules: readonly NewCapsule[],
): Promise<readonly CapsuleRow[]> {
  return await db.insertInto("sandboxes").values(capsules.map(columnsOf)).returningAll().execute();
}

function columnsOf(capsule: NewCapsule) {
  return {
    id: capsule.id,
    team_id: capsule.teamId,
    host_id: capsule.hostId,
    template: capsule.template,
    status: "pending" as const,
    vcpus: capsule.vcpus,
    memory_mb: capsule.memoryMib,
    disk_mb: capsule.diskMib,
    timeout_sec: capsule.timeoutSec,
    max_lifetime_sec: capsule.maxLifetimeSec ?? 0,
    on_lifetime_end: capsule.onLifetimeEnd ?? ("pause" as const),
    auto_resume: capsule.autoResume ?? false,
    name: capsule.name ?? null,
    user_metadata: JSON.stringify(capsule.metadata ?? {}),
    env_names: [...(capsule.envNames ?? [])],
    default_user: capsule.user ?? null,
    default_cwd: capsule.cwd ?? null,
    network: capsule.network ? JSON.stringify(capsule.network) : null,
    ingress: capsule.ingress ? JSON.stringify(capsule.ingress) : null,
    host_ip: null,
    problem: null,
    started_at: null,
    last_active_at: null,
  };
}

/** One capsule of a team; a foreign one is not there. */
export async function findCapsule(db: Db, teamId: string, id: string): Promise<CapsuleRow | undefined> {
  return await db
    .selectFrom("sandboxes")
    .selectAll()
    .where("id", "=", id)
    .where("team_id", "=", teamId)
    .executeTakeFirst();
}

/** One capsule of whatever team. */
export async function findAnyCapsule(db: Db, id: string): Promise<CapsuleRow | undefined> {
  return await db.selectFrom("sandboxes").selectAll().where("id", "=", id).executeTakeFirst();
}

/** Ids of running capsules of all teams, at most `limit`; those that began to run last come first. */
export async function listRunningIds(db: Db, limit: number): Promise<readonly string[]> {
  const rows = await db
    .selectFrom("sandboxes")
    .select("id")
    .where("status", "=", "running")
    .orderBy("running_since", (order) => order.desc().nullsLast())
    .limit(limit)
    .execute();
  return rows.map(({ id }) => id);
}

/** Selects capsules that have not ended and that no operation is under way for: an operation records its own outcome. */
function settledCapsules(db: Db) {
  return db
    .selectFrom("sandboxes")
    .selectAll()
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
    );
}

/** Capsules of a host that have not ended, without those that have an operation under way. */
export async function listSettledCapsules(db: Db, hostId: string): Promise<readonly CapsuleRow[]> {
  return await settledCapsules(db).where("host_id", "=", hostId).execute();
}

/** A capsule, unless it has ended or has an operation under way. */
export async function findSettledCapsule(db: Db, id: string): Promise<CapsuleRow | undefined> {
  return await settledCapsules(db).where("id", "=", id).executeTakeFirst();
}

/** Capsules of whatever state, of those asked for. */
export async function findCapsules(db: Db, ids: readonly string[]): Promise<readonly CapsuleRow[]> {
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
export async function listHostCapsules(db: Db, hostId: string): Promise<readonly CapsuleRow[]> {
  return await db
    .selectFrom("sandboxes")
    .selectAll()
    .where("host_id", "=", hostId)
    .where("status", "not in", ended)
    .orderBy("created_at")
    .execute();
}

/** Everything on a host is over. */
export async function endCapsulesOf(db: Db, hostId: string, problem: string, at: Date): Promise<void> {
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

/** A capsule that could not be started where it was placed gets another place. @returns false when it has ended. */
export async function moveCapsule(db: Db, id: string, hostId: string): Promise<boolean> {
  const result = await db
    .updateTable("sandboxes")
    .set({ host_id: hostId })
    .where("id", "=", id)
    .where("status", "not in", ended)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** Says how far what a capsule waits for is, while it is being created; null when it waits no longer. */
export async function setProgress(db: Db, id: string, progress: TemplateCopyProgress | null): Promise<void> {
  await db
    .updateTable("sandboxes")
    .set({ progress: progress && JSON.stringify(progress) })
    .where("id", "=", id)
    .where("status", "in", ["pending", "starting"])
    .execute();
}

export interface CapsuleChange {
  readonly status: CapsuleRowStatus;
  readonly hostIp?: string | null;
  readonly problem?: string | null;
  readonly metadata?: Readonly<Record<string, string>>;
  /** What its pause has kept, for `paused`; every other state has kept nothing. */
  readonly kept?: CapsuleRow["kept"];
  /** How its disk was when it was booted, for `running`; without it the row stays as it is. */
  readonly diskAtBoot?: CapsuleRow["disk_at_boot"];
  /** How its guest is, for `running`; what is absent stays as it is. */
  readonly condition?: Partial<Pick<CapsuleRow, "health" | "full_disk" | "out_of_memory">>;
  readonly startedAt?: Date;
  /** Milliseconds of the phases of the operation that this ends. */
  readonly phases?: Readonly<Record<string, number>>;
  /** A run begins, also of a capsule that was running before. */
  readonly isNewRun?: boolean;
  /** Version of the row that the change was decided on; without it only the state must be right. */
  readonly version?: number;
  /** The operation that succeeds with this change, in the same statement; it goes on when nothing is changed. */
  readonly finishes?: string;
}

/**
 * Moves a capsule to another state if it is still in one of `from`.
 *
 * @returns the changed row, or undefined when somebody else was quicker.
 */
export async function changeCapsule(
  db: Db,
  id: string,
  from: readonly CapsuleRowStatus[],
  change: CapsuleChange,
  at: Date,
): Promise<CapsuleRow | undefined> {
  const { finishes } = change;
  const changed = (creator: QueryCreator<Schema>) => updateCapsule(creator, id, from, change, at);
  if (finishes === undefined) return await changed(db).executeTakeFirst();
  return await db
    .with("changed", changed)
    .with("finished", (creator) =>
      creator
        .updateTable("operations")
        .set({ state: "succeeded", problem: null, finished_at: at })
        .where("id", "=", finishes)
        .where("state", "=", "running")
        .where((eb) => eb.exists(eb.selectFrom("changed").select("changed.id")))
        .returning("operations.id"),
    )
    .selectFrom("changed")
    .selectAll()
    .executeTakeFirst();
}

function updateCapsule(
  creator: QueryCreator<Schema>,
  id: string,
  from: readonly CapsuleRowStatus[],
  change: CapsuleChange,
  at: Date,
) {
  return creator
    .updateTable("sandboxes")
    .set((eb) => ({
      status: change.status,
      version: eb("version", "+", 1),
      last_updated: at,
      phases: change.phases ? JSON.stringify(change.phases) : null,
      ...(change.status === "missing"
        ? {}
        : change.isNewRun === true
          ? { running_since: at, extended_until: null }
          : { running_since: runningSince(change.status, at), extended_until: extendedUntil(change.status) }),
      ...keeping(change),
      ...conditionOf(change),
      ...defined({
        host_ip: change.hostIp,
        problem: change.problem,
        metadata: change.metadata && JSON.stringify(change.metadata),
        started_at: change.startedAt,
      }),
      // Its host has removed it, or removes it when it answers again.
      ...(change.status === "stopped" ? { storage_bytes: 0, checkpoints: 0 } : {}),
    }))
    .where("id", "=", id)
    .where("status", "in", from)
    .$if(change.version !== undefined, (query) => query.where("version", "=", change.version ?? 0))
    .returningAll();
}

function keeping({ status, kept, diskAtBoot }: CapsuleChange) {
  // Nothing is known of one that is out of sight.
  if (status === "missing") return {};
  if (status === "running") return { kept: null, ...defined({ disk_at_boot: diskAtBoot }) };
  return { disk_at_boot: null, ...(status === "paused" ? defined({ kept }) : { kept: null }) };
}

function conditionOf({ status, condition }: CapsuleChange) {
  if (status !== "running" || !condition) return {};
  const { out_of_memory: memory, ...rest } = condition;
  return { ...rest, ...(memory ? { out_of_memory: JSON.stringify(memory) } : {}) };
}

/** A capsule that runs already, or that was out of sight, has been running since before. */
function runningSince(status: CapsuleRowStatus, at: Date) {
  if (status !== "running") return sql<null>`null`;
  return sql<Date>`case when status in ('running', 'missing') then coalesce(running_since, ${at}) else ${at} end`;
}

/** Each run has its own end. */
function extendedUntil(status: CapsuleRowStatus) {
  if (status !== "running") return sql<null>`null`;
  return sql<Date | null>`case when status in ('running', 'missing') then extended_until end`;
}

/** A capsule that a host started, and the operation that this ends. */
export interface StartedCapsule {
  readonly id: string;
  readonly operationId: string;
  readonly hostIp: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  /** Milliseconds of the phases of the operation. */
  readonly phases: Readonly<Record<string, number>>;
}

/**
 * Capsules run from now on, the operations that started them have succeeded, and clients that wait for them are about to be
 * answered. @returns their rows, in any order.
 */
export async function startCapsules(
  db: Db,
  started: readonly StartedCapsule[],
  at: Date,
): Promise<readonly CapsuleRow[]> {
  const given = started.map(({ id, operationId, hostIp, metadata, phases }) => ({
    id,
    operation_id: operationId,
    host_ip: hostIp,
    metadata,
    phases,
  }));
  const { rows } = await sql<CapsuleRow>`
    with given as (
      select * from jsonb_to_recordset(${JSON.stringify(given)}::jsonb)
        as given(id uuid, operation_id uuid, host_ip text, metadata jsonb, phases jsonb)
    ), finished as (
      update operations set state = 'succeeded', finished_at = ${at}
      from given where operations.id = given.operation_id and operations.state = 'running'
    ), answering as (
      update unanswered_creates set answering = true
      from given where unanswered_creates.sandbox_id = given.id and unanswered_creates.due_at is null
    )
    update sandboxes set status = 'running', version = version + 1, last_updated = ${at}, started_at = ${at},
      running_since = ${runningSince("running", at)}, host_ip = given.host_ip, metadata = given.metadata, phases = given.phases
    from given where sandboxes.id = given.id and sandboxes.status <> 'stopped'
    returning sandboxes.*`.execute(db);
  return rows;
}

/** Something happened in a capsule. */
export async function touchCapsule(db: Db, id: string, at: Date): Promise<void> {
  await db.updateTable("sandboxes").set({ last_active_at: at }).where("id", "=", id).execute();
}
