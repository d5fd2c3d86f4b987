import { sql } from "kysely";
import type { RawBuilder, Selectable } from "kysely";
import type { NetworkRules } from "@wrenn/protocol";
import { parseId } from "@wrenn/core";
import type { TemplateSettings } from "../build-tables.ts";
import type { Actor } from "../event-tables.ts";
import type { Db, Trx } from "../schema.ts";
import type { TemplatesTable } from "../template-tables.ts";

/** The tag that a name without one stands for. */
export const DEFAULT_TAG = "default";

/** A version of a template. */
export type TemplateRow = Selectable<TemplatesTable> & {
  /** Of this version, in their order. */
  readonly tags: readonly string[];
  readonly is_public: boolean;
  /** Hosts that have a copy of it, besides the one that made it. */
  readonly copy_host_ids: readonly string[];
};

export interface NewTemplate {
  readonly id: string;
  readonly teamId: string;
  readonly name: string;
  readonly hostKey: string;
  readonly hostId: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly sizeBytes: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** What its capsules may reach. */
  readonly network?: NetworkRules;
  readonly diskMib: number;
  readonly envNames: readonly string[];
  readonly user?: string;
  readonly cwd?: string;
  readonly settings?: TemplateSettings;
  /** What led to it, for one that a build has made. */
  readonly buildKey?: string | undefined;
  /** UUID of the capsule that it is made of. */
  readonly madeOf?: string | undefined;
  /** Who makes it. */
  readonly actor?: Actor | undefined;
}

/** The name of a version within a team. */
export interface TaggedName {
  readonly teamId: string;
  readonly name: string;
  readonly tag: string;
}

/** The version of a team's template that a tag stands for, or undefined. */
export async function findTemplate(
  db: Db,
  teamId: string,
  name: string,
  tag = DEFAULT_TAG,
): Promise<TemplateRow | undefined> {
  return await versions(db)
    .where("templates.team_id", "=", teamId)
    .where("templates.name", "=", name)
    .where("templates.id", "=", (eb) =>
      eb
        .selectFrom("template_tags")
        .select("template_id")
        .where("template_tags.team_id", "=", teamId)
        .where("template_tags.name", "=", name)
        .where("tag", "=", tag),
    )
    .executeTakeFirst();
}

/** Whether a team has a template of this name, with any tag. */
export async function templateExists(db: Db, teamId: string, name: string): Promise<boolean> {
  const row = await db
    .selectFrom("template_names")
    .select("name")
    .where("team_id", "=", teamId)
    .where("name", "=", name)
    .executeTakeFirst();
  return row !== undefined;
}

/** Every version of a template, newest first. */
export async function listVersions(db: Db, teamId: string, name: string): Promise<readonly TemplateRow[]> {
  return await versions(db)
    .where("templates.team_id", "=", teamId)
    .where("templates.name", "=", name)
    .orderBy("templates.version", "desc")
    .execute();
}

/** A team's templates, newest first: of each the version with the default tag, or else its newest one. */
export async function listTeamTemplates(db: Db, teamId: string): Promise<readonly TemplateRow[]> {
  return await versions(db)
    .where("templates.team_id", "=", teamId)
    .where("templates.id", "in", representatives(teamId))
    .orderBy("templates.created_at", "desc")
    .orderBy("templates.id")
    .execute();
}

/** Versions of a team's templates that were made of capsules, newest first. */
export async function listSnapshots(db: Db, teamId: string): Promise<readonly TemplateRow[]> {
  return await versions(db)
    .where("templates.team_id", "=", teamId)
    .where("templates.made_of", "is not", null)
    .orderBy("templates.created_at", "desc")
    .orderBy("templates.id")
    .execute();
}

export type TemplateOfTeam = TemplateRow & { readonly team_name: string; readonly team_slug: string };

/** Templates of all teams that exist, newest first, one version of each. */
export async function listAllTemplates(db: Db): Promise<readonly TemplateOfTeam[]> {
  return await ofTeams(db).execute();
}

/** Templates that teams have made public, newest first, one version of each; at most `limit`. */
export async function listPublicTemplates(db: Db, limit: number): Promise<readonly TemplateOfTeam[]> {
  return await ofTeams(db).where("template_names.is_public", "=", true).limit(limit).execute();
}

/** Names of the templates that no other host of the same owner has. */
export async function listHostTemplates(db: Db, hostId: string): Promise<readonly string[]> {
  const rows = await db
    .selectFrom("templates")
    .select("name")
    .distinct()
    .where("host_id", "=", hostId)
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom("template_copies")
            .innerJoin("hosts as other", "other.id", "template_copies.host_id")
            .innerJoin("hosts as own", "own.id", "templates.host_id")
            .select("host_key")
            .whereRef("template_copies.host_key", "=", "templates.host_key")
            .where(sql<boolean>`other.team_id is not distinct from own.team_id`),
        ),
      ),
    )
    .orderBy("name")
    .execute();
  return rows.map(({ name }) => name);
}

/** The new version of a name, and the version that ended because it lost its last tag. */
export interface PutTemplate {
  readonly row: TemplateRow;
  readonly replaced?: TemplateRow;
}

/**
 * Adds a version of a template and gives it a tag. A version that has no other tag is removed when it loses this one.
 *
 * @returns undefined when the tag is taken and is not to be moved.
 */
export async function putTemplate(
  db: Db,
  template: NewTemplate,
  { tag = DEFAULT_TAG, overwrite = false }: { readonly tag?: string; readonly overwrite?: boolean } = {},
): Promise<PutTemplate | undefined> {
  const { teamId, name } = template;
  // The row of the name is locked by this: changes of one template wait for each other.
  const { last_version: version } = await db
    .insertInto("template_names")
    .values({ team_id: teamId, name, last_version: 1, created_by: personOf(template.actor) })
    .onConflict((conflict) =>
      conflict.columns(["team_id", "name"]).doUpdateSet((eb) => ({
        last_version: eb("template_names.last_version", "+", 1),
      })),
    )
    .returning("last_version")
    .executeTakeFirstOrThrow();
  const tagged = await findTemplate(db, teamId, name, tag);
  if (tagged && !overwrite) return undefined;
  await db
    .insertInto("templates")
    .values({
      id: template.id,
      team_id: teamId,
      name,
      version,
      host_key: template.hostKey,
      host_id: template.hostId,
      vcpus: template.vcpus,
      memory_mb: template.memoryMib,
      size_bytes: template.sizeBytes,
      metadata: JSON.stringify(template.metadata),
      network: template.network ? JSON.stringify(template.network) : null,
      disk_mb: template.diskMib,
      env_names: [...template.envNames],
      default_user: template.user ?? null,
      default_cwd: template.cwd ?? null,
      settings: JSON.stringify(template.settings ?? {}),
      build_key: template.buildKey ?? null,
      made_of: template.madeOf ?? null,
    })
    .execute();
  return await moveTag(db, { teamId, name, tag }, template.id, tagged);
}

/** The person who acts, or who made the key that acts. */
function personOf({ type, id }: Actor = { type: "system" }): RawBuilder<string | null> {
  if (type === "user" && id !== undefined) return sql`${parseId("user", id)}::uuid`;
  if (type !== "api_key" || id === undefined) return sql`null`;
  return sql`(select created_by from api_keys where id = ${parseId("apiKey", id)})`;
}

/** The newest version of a template that a build with one of these keys has made. */
export async function findBuiltVersion(
  db: Db,
  teamId: string,
  name: string,
  keys: readonly string[],
): Promise<TemplateRow | undefined> {
  return await versions(db)
    .where("templates.team_id", "=", teamId)
    .where("templates.name", "=", name)
    .where("templates.build_key", "in", keys)
    .orderBy("templates.version", "desc")
    .limit(1)
    .executeTakeFirst();
}

/** Gives a tag to a version that is there already; undefined when it is gone. The template is locked. */
export async function retagTemplate(
  trx: Trx,
  { teamId, name, tag }: TaggedName,
  templateId: string,
): Promise<PutTemplate | undefined> {
  const tagged = (await lockTemplate(trx, teamId, name))
    ? await findTemplate(trx, teamId, name, tag)
    : undefined;
  const row = await versions(trx).where("templates.id", "=", templateId).executeTakeFirst();
  if (!row || tagged?.id === templateId) return row && { row };
  return await moveTag(trx, { teamId, name, tag }, templateId, tagged);
}

/** @param tagged - the version that has had the tag, which ends when it was the only one. */
async function moveTag(
  db: Db,
  name: TaggedName,
  templateId: string,
  tagged: TemplateRow | undefined,
): Promise<PutTemplate> {
  await setTag(db, name, templateId);
  const isReplaced = tagged?.tags.length === 1;
  if (isReplaced) await deleteTemplate(db, tagged.id);
  const row = await versions(db).where("templates.id", "=", templateId).executeTakeFirstOrThrow();
  return isReplaced ? { row, replaced: tagged } : { row };
}

/** Locks a template until the end of the transaction: no version or tag of it changes. False when there is no such template. */
export async function lockTemplate(trx: Trx, teamId: string, name: string): Promise<boolean> {
  const row = await trx
    .selectFrom("template_names")
    .select("name")
    .where("team_id", "=", teamId)
    .where("name", "=", name)
    .forUpdate()
    .executeTakeFirst();
  return row !== undefined;
}

/** Gives a tag to a version, and takes it from the one that had it. */
export async function setTag(db: Db, { teamId, name, tag }: TaggedName, templateId: string): Promise<void> {
  const tagged_at = sql<Date>`now()`;
  await db
    .insertInto("template_tags")
    .values({ team_id: teamId, name, tag, template_id: templateId, tagged_at })
    .onConflict((conflict) =>
      conflict.columns(["team_id", "name", "tag"]).doUpdateSet({ template_id: templateId, tagged_at }),
    )
    .execute();
}

/** Takes a tag away; false when there is no such tag. The version stays. */
export async function deleteTag(db: Db, { teamId, name, tag }: TaggedName): Promise<boolean> {
  const result = await db
    .deleteFrom("template_tags")
    .where("team_id", "=", teamId)
    .where("name", "=", name)
    .where("tag", "=", tag)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}

export interface TagRow {
  readonly tag: string;
  readonly version: number;
  readonly tagged_at: Date;
}

/** The tags of a template, by name. */
export async function listTags(db: Db, teamId: string, name: string): Promise<readonly TagRow[]> {
  return await db
    .selectFrom("template_tags")
    .innerJoin("templates", "templates.id", "template_tags.template_id")
    .select(["tag", "templates.version as version", "tagged_at"])
    .where("template_tags.team_id", "=", teamId)
    .where("template_tags.name", "=", name)
    .orderBy("tag")
    .execute();
}

/** Says whether other teams may start capsules from a template; false when there is no template of this name. */
export async function setPublic(db: Db, teamId: string, name: string, isPublic: boolean): Promise<boolean> {
  const result = await db
    .updateTable("template_names")
    .set({ is_public: isPublic })
    .where("team_id", "=", teamId)
    .where("name", "=", name)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** The team with a slug, if it has a template of this name that is public or of one of `teams`. */
export async function findPublisher(
  db: Db,
  slug: string,
  name: string,
  teams: readonly string[],
): Promise<string | undefined> {
  const row = await db
    .selectFrom("template_names")
    .innerJoin("teams", "teams.id", "template_names.team_id")
    .select("teams.id")
    .where("teams.slug", "=", slug)
    .where("teams.deleted_at", "is", null)
    .where("template_names.name", "=", name)
    .where((eb) => eb.or([eb("template_names.is_public", "=", true), eb("teams.id", "in", teams)]))
    .executeTakeFirst();
  return row?.id;
}

/** Deletes a version with its tags; one that is not there is fine. */
export async function deleteTemplate(db: Db, id: string): Promise<void> {
  await db.deleteFrom("templates").where("id", "=", id).execute();
}

function versions(db: Db) {
  return db
    .selectFrom("templates")
    .innerJoin("template_names", (join) =>
      join
        .onRef("template_names.team_id", "=", "templates.team_id")
        .onRef("template_names.name", "=", "templates.name"),
    )
    .selectAll("templates")
    .select([
      tagsOfVersion().as("tags"),
      "template_names.is_public as is_public",
      copiesOfVersion().as("copy_host_ids"),
    ]);
}

function ofTeams(db: Db) {
  return versions(db)
    .innerJoin("teams", "teams.id", "templates.team_id")
    .select(["teams.name as team_name", "teams.slug as team_slug"])
    .where("teams.deleted_at", "is", null)
    .where("templates.id", "in", representatives())
    .orderBy("templates.created_at", "desc")
    .orderBy("templates.id");
}

function tagsOfVersion(): RawBuilder<string[]> {
  return sql<string[]>`coalesce((
    select array_agg(tag order by tag) from template_tags where template_tags.template_id = templates.id), '{}')`;
}

function copiesOfVersion(): RawBuilder<string[]> {
  return sql<string[]>`coalesce((
    select array_agg(c.host_id::text order by c.used_at desc) from template_copies c
      where c.host_key = templates.host_key), '{}')`;
}

/** Of each template the version with the default tag, or else its newest one. */
function representatives(teamId?: string): RawBuilder<string> {
  return sql<string>`(
    select distinct on (t.team_id, t.name) t.id from templates t
      left join template_tags g on g.template_id = t.id and g.tag = ${DEFAULT_TAG}
      ${teamId === undefined ? sql`` : sql`where t.team_id = ${teamId}`}
      order by t.team_id, t.name, (g.tag is null), t.version desc)`;
}
