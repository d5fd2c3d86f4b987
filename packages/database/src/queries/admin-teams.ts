import { sql } from "kysely";
import type { Db } from "../schema.ts";
import type { Stretch } from "./admin-users.ts";

/** A team as administrators see it. */
export interface ListedTeam {
  readonly id: string;
  readonly name: string;
  readonly slug: string;
  readonly isByoc: boolean;
  readonly createdAt: Date;
  readonly deletedAt: Date | null;
  readonly memberCount: number;
  /** Null for a team without an owner: the platform's, and the first one. */
  readonly ownerName: string | null;
  readonly ownerEmail: string | null;
  /** Neither paused nor ended. */
  readonly activeCapsules: number;
  readonly channelCount: number;
}

/** Every team, living ones first, then newest first, and how many there are in all. */
export async function listAllTeams(
  db: Db,
  stretch: Stretch,
): Promise<{ readonly teams: readonly ListedTeam[]; readonly total: number }> {
  const teams = await teamsQuery(db)
    .orderBy(sql`teams.deleted_at is not null`)
    .orderBy("teams.created_at", "desc")
    .orderBy("teams.id")
    .limit(stretch.limit)
    .offset(stretch.offset)
    .execute();
  const { total } = await db
    .selectFrom("teams")
    .select(sql<number>`count(*)::int`.as("total"))
    .executeTakeFirstOrThrow();
  return { teams, total };
}

/** One of them, also when it is deleted. */
export async function findListedTeam(db: Db, id: string): Promise<ListedTeam | undefined> {
  return await teamsQuery(db).where("teams.id", "=", id).executeTakeFirst();
}

function teamsQuery(db: Db) {
  return db
    .selectFrom("teams")
    .leftJoin("memberships as owning", (join) =>
      join.onRef("owning.team_id", "=", "teams.id").on("owning.role", "=", "owner"),
    )
    .leftJoin("users as owner", "owner.id", "owning.user_id")
    .select((eb) => [
      "teams.id as id",
      "teams.name as name",
      "teams.slug as slug",
      "teams.is_byoc as isByoc",
      "teams.created_at as createdAt",
      "teams.deleted_at as deletedAt",
      "owner.name as ownerName",
      "owner.email as ownerEmail",
      eb
        .selectFrom("memberships")
        .innerJoin("users", "users.id", "memberships.user_id")
        .select(sql<number>`count(*)::int`.as("count"))
        .whereRef("memberships.team_id", "=", "teams.id")
        .where("users.status", "<>", "deleted")
        .$asScalar()
        .$notNull()
        .as("memberCount"),
      eb
        .selectFrom("sandboxes")
        .select(sql<number>`count(*)::int`.as("count"))
        .whereRef("sandboxes.team_id", "=", "teams.id")
        .where("sandboxes.status", "in", ["pending", "starting", "running", "missing"])
        .$asScalar()
        .$notNull()
        .as("activeCapsules"),
      eb
        .selectFrom("channels")
        .select(sql<number>`count(*)::int`.as("count"))
        .whereRef("channels.team_id", "=", "teams.id")
        .$asScalar()
        .$notNull()
        .as("channelCount"),
    ]);
}

/** How much of everything a team may have; memory in MiB. */
export interface TeamLimits {
  readonly max_capsules: number;
  readonly max_vcpus: number;
  readonly max_memory_mb: number;
  readonly max_templates: number;
  readonly max_channels: number;
  readonly max_builds: number;
  readonly max_storage_mb: number;
  readonly max_checkpoints: number;
  readonly max_capsule_checkpoints: number;
  /** How long saved states are kept; 0: as the installation says. */
  readonly keep_checkpoints: number;
  readonly keep_checkpoint_days: number;
  readonly keep_paused_days: number;
}

/** Limits of a team that nobody changes until the end of the transaction; undefined for one that is deleted. */
export async function lockTeamLimits(db: Db, id: string): Promise<TeamLimits | undefined> {
  return await db
    .selectFrom("teams")
    .select([
      "max_capsules",
      "max_vcpus",
      "max_memory_mb",
      "max_templates",
      "max_channels",
      "max_builds",
      "max_storage_mb",
      "max_checkpoints",
      "max_capsule_checkpoints",
      "keep_checkpoints",
      "keep_checkpoint_days",
      "keep_paused_days",
    ])
    .where("id", "=", id)
    .where("deleted_at", "is", null)
    .forNoKeyUpdate()
    .executeTakeFirst();
}

/** Sets the limits of a team, and nothing else that `limits` may have. */
export async function setTeamLimits(db: Db, id: string, limits: TeamLimits): Promise<void> {
  await db
    .updateTable("teams")
    .set({
      max_capsules: limits.max_capsules,
      max_vcpus: limits.max_vcpus,
      max_memory_mb: limits.max_memory_mb,
      max_templates: limits.max_templates,
      max_channels: limits.max_channels,
      max_builds: limits.max_builds,
      max_storage_mb: limits.max_storage_mb,
      max_checkpoints: limits.max_checkpoints,
      max_capsule_checkpoints: limits.max_capsule_checkpoints,
      keep_checkpoints: limits.keep_checkpoints,
      keep_checkpoint_days: limits.keep_checkpoint_days,
      keep_paused_days: limits.keep_paused_days,
    })
    .where("id", "=", id)
    .execute();
}

/** Lets a team have hosts of its own; false when it may already, or is deleted. */
export async function enableByoc(db: Db, id: string): Promise<boolean> {
  const result = await db
    .updateTable("teams")
    .set({ is_byoc: true })
    .where("id", "=", id)
    .where("deleted_at", "is", null)
    .where("is_byoc", "=", false)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}
