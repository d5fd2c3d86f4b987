import { sql } from "kysely";
import type { RawBuilder, Selectable, SqlBool } from "kysely";
import { defined } from "@wrenn/core";
import type { BuildsTable, BuildStatus, RecipeOptions } from "../build-tables.ts";
import type { Actor } from "../event-tables.ts";
import type { Db, Trx } from "../schema.ts";

export type BuildRow = Selectable<BuildsTable>;

/** Serialises what control planes take from the queue. */
const CLAIM_LOCK = sql`select pg_advisory_xact_lock(hashtext('wrenn_builds'))`;

export interface NewBuild {
  readonly id: string;
  readonly teamId: string;
  readonly name: string;
  readonly tag: string;
  readonly baseTemplate: string;
  /** The instructions as people wrote them. */
  readonly recipe: readonly string[];
  readonly recipeText: string | undefined;
  readonly recipeOptions: RecipeOptions;
  /** Sealed. */
  readonly secrets: Buffer | undefined;
  readonly healthcheck: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly skipPrePost: boolean;
  readonly totalSteps: number;
  readonly actor: Actor | undefined;
}

/** A new build, `pending`. */
export async function insertBuild(db: Db, build: NewBuild): Promise<BuildRow> {
  return await db
    .insertInto("builds")
    .values({
      id: build.id,
      team_id: build.teamId,
      name: build.name,
      tag: build.tag,
      base_template: build.baseTemplate,
      recipe: JSON.stringify(build.recipe),
      recipe_text: build.recipeText ?? null,
      recipe_options: JSON.stringify(build.recipeOptions),
      secrets: build.secrets ?? null,
      healthcheck: build.healthcheck,
      vcpus: build.vcpus,
      memory_mb: build.memoryMib,
      skip_pre_post: build.skipPrePost,
      total_steps: build.totalSteps,
      actor: build.actor ? JSON.stringify(build.actor) : null,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** A team's build; one of another team is not there. */
export async function findBuild(db: Db, teamId: string, id: string): Promise<BuildRow | undefined> {
  return await db
    .selectFrom("builds")
    .selectAll()
    .where("id", "=", id)
    .where("team_id", "=", teamId)
    .executeTakeFirst();
}

/** A team's builds, newest first. */
export async function listBuilds(db: Db, teamId: string): Promise<readonly BuildRow[]> {
  return await db
    .selectFrom("builds")
    .selectAll()
    .where("team_id", "=", teamId)
    .orderBy("created_at", "desc")
    .orderBy("id", "desc")
    .execute();
}

/** How many builds of a team have not ended. The caller has locked the team. */
export async function countOpenBuilds(trx: Trx, teamId: string): Promise<number> {
  const { count } = await trx
    .selectFrom("builds")
    .select(({ fn }) => fn.countAll<string>().as("count"))
    .where("team_id", "=", teamId)
    .where("status", "in", ["pending", "running"])
    .executeTakeFirstOrThrow();
  return Number(count);
}

/** How many builds a team may have that have not ended. */
export async function buildLimit(db: Db, teamId: string): Promise<number> {
  const { max_builds: limit } = await db
    .selectFrom("teams")
    .select("max_builds")
    .where("id", "=", teamId)
    .executeTakeFirstOrThrow();
  return limit;
}

/**
 * Takes the next build from the queue for a control plane: of the team with the fewest running builds, the one that has waited longest.
 * No other control plane takes the same one.
 */
export async function claimBuild(db: Db, owner: string): Promise<BuildRow | undefined> {
  return await db.transaction().execute(async (trx) => {
    await CLAIM_LOCK.execute(trx);
    const { rows } = await sql<BuildRow>`
      update builds set status = 'running', owner = ${owner}, started_at = now()
      where status = 'pending' and id = (
        select b.id from builds b where b.status = 'pending'
        order by (select count(*) from builds r where r.team_id = b.team_id and r.status = 'running'), b.created_at, b.id
        limit 1 for update)
      returning *`.execute(trx);
    return rows[0];
  });
}

/** What the builder reports about a build. */
export interface BuildProgress {
  readonly currentStep?: number;
  readonly capsuleId?: string;
  readonly hostId?: string;
}

/** Records progress. @returns false when the build is no longer this control plane's: it was cancelled, or its lease ran out. */
export async function recordProgress(
  db: Db,
  id: string,
  owner: string,
  progress: BuildProgress,
): Promise<boolean> {
  const result = await db
    .updateTable("builds")
    // A statement that changes nothing still finds out whose the build is.
    .set({
      owner,
      ...defined({
        current_step: progress.currentStep,
        sandbox_id: progress.capsuleId,
        host_id: progress.hostId,
      }),
    })
    .where("id", "=", id)
    .where("owner", "=", owner)
    .where("status", "=", "running")
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** Locks a running build of a control plane until the end of the transaction; false when it is no longer that. */
export async function lockRunning(trx: Trx, id: string, owner: string): Promise<boolean> {
  const row = await trx
    .selectFrom("builds")
    .select("id")
    .where("id", "=", id)
    .where("owner", "=", owner)
    .where("status", "=", "running")
    .forUpdate()
    .executeTakeFirst();
  return row !== undefined;
}

/** The build that made a version, as far as it is known. */
export async function findBuildOf(db: Db, templateId: string): Promise<BuildRow | undefined> {
  return await db
    .selectFrom("builds")
    .selectAll()
    .where("template_id", "=", templateId)
    .orderBy("completed_at")
    .limit(1)
    .executeTakeFirst();
}

/** A capsule of a build that has ended. */
export interface LeftCapsule {
  readonly buildId: string;
  readonly teamId: string;
  readonly capsuleId: string;
}

/** Which capsules of builds that have ended are left. */
export interface LeftCapsuleSelection {
  /** Whoever ran a build ends its capsule within this time, milliseconds. */
  readonly graceMs: number;
  /** UUID of a control plane that knows which builds it still ends: capsules of its others are left at once. */
  readonly owner: string;
  readonly ending: readonly string[];
  readonly limit: number;
}

/** Capsules that are there although their builds have ended, and that no one is about to end. */
export async function listLeftCapsules(
  db: Db,
  { graceMs, owner, ending, limit }: LeftCapsuleSelection,
): Promise<readonly LeftCapsule[]> {
  return await db
    .selectFrom("builds")
    .innerJoin("sandboxes", "sandboxes.id", "builds.sandbox_id")
    .select(["builds.id as buildId", "sandboxes.team_id as teamId", "sandboxes.id as capsuleId"])
    .where("sandboxes.status", "not in", ["stopped", "error"])
    .where(
      sql<SqlBool>`(builds.completed_at < now() - ${graceMs} * interval '1 millisecond'
        or (builds.completed_at is not null and builds.owner = ${owner} and builds.id <> all(${ending}::uuid[])))`,
    )
    .limit(limit)
    .execute();
}

export interface BuildEnd {
  readonly status: Exclude<BuildStatus, "pending" | "running">;
  /** Entry of the error catalogue, and its message. */
  readonly problem?: { readonly reason: string; readonly message: string };
  readonly templateId?: string;
  readonly defaultUser?: string;
  readonly defaultEnv?: Readonly<Record<string, string>>;
}

/** Builds that are ended together. */
export type BuildSelection =
  /** One that has not ended, on any control plane. */
  | { readonly id: string }
  /** One that this control plane runs. */
  | { readonly id: string; readonly owner: string }
  /** Those that this control plane has run for longer than `graceMs`, except those of `known`. */
  | { readonly owner: string; readonly known: readonly string[]; readonly graceMs: number }
  /** Those whose control plane is gone. */
  | "orphaned";

/** Ends builds, and deletes their archives and secrets. @returns the builds that this ended. */
export async function endBuilds(db: Db, which: BuildSelection, end: BuildEnd): Promise<readonly BuildRow[]> {
  const rows = await db
    .updateTable("builds")
    .set({
      status: end.status,
      completed_at: sql<Date>`now()`,
      secrets: null,
      ...defined({
        reason: end.problem?.reason,
        error: end.problem?.message,
        template_id: end.templateId,
        default_user: end.defaultUser,
        default_env: end.defaultEnv && JSON.stringify(end.defaultEnv),
      }),
    })
    .where(isSelected(which))
    .returningAll()
    .execute();
  const ids = rows.map(({ id }) => id);
  if (ids.length > 0) await db.deleteFrom("build_archives").where("build_id", "in", ids).execute();
  return rows;
}

function isSelected(which: BuildSelection): RawBuilder<SqlBool> {
  if (which === "orphaned")
    return sql<SqlBool>`status = 'running' and owner not in (select id from control_planes)`;
  if ("known" in which)
    return sql<SqlBool>`status = 'running' and owner = ${which.owner} and id <> all(${which.known}::uuid[])
      and started_at <= now() - ${which.graceMs} * interval '1 ms'`;
  if ("owner" in which)
    return sql<SqlBool>`status = 'running' and owner = ${which.owner} and id = ${which.id}`;
  return sql<SqlBool>`status in ('pending', 'running') and id = ${which.id}`;
}

/** Keeps the newest builds of a team that have ended. */
export async function pruneBuilds(db: Db, teamId: string, kept: number): Promise<void> {
  await db
    .deleteFrom("builds")
    .where("id", "in", (eb) =>
      eb
        .selectFrom("builds as old")
        .select("old.id")
        .where("old.team_id", "=", teamId)
        .where("old.completed_at", "is not", null)
        .orderBy("old.created_at", "desc")
        .orderBy("old.id", "desc")
        .offset(kept),
    )
    .execute();
}
