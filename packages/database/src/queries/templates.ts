import type { Kysely, Selectable } from "kysely";
import type { Schema, TemplatesTable } from "../schema.ts";

type Db = Kysely<Schema>;

export type TemplateRow = Selectable<TemplatesTable>;

export interface NewTemplate {
  readonly id: string;
  readonly teamId: string;
  readonly name: string;
  readonly hostKey: string;
  readonly hostId: string;
  readonly vcpus: number;
  readonly memoryMb: number;
  readonly sizeBytes: number;
  readonly metadata: Readonly<Record<string, string>>;
}

/** A team's template, or undefined. */
export async function findTemplate(db: Db, teamId: string, name: string): Promise<TemplateRow | undefined> {
  return await db
    .selectFrom("templates")
    .selectAll()
    .where("team_id", "=", teamId)
    .where("name", "=", name)
    .executeTakeFirst();
}

/** A team's templates, newest first. */
export async function listTeamTemplates(db: Db, teamId: string): Promise<readonly TemplateRow[]> {
  return await db
    .selectFrom("templates")
    .selectAll()
    .where("team_id", "=", teamId)
    .orderBy("created_at", "desc")
    .orderBy("id")
    .execute();
}

export type TemplateOfTeam = TemplateRow & { readonly team_name: string };

/** Templates of all teams that exist, newest first. */
export async function listAllTemplates(db: Db): Promise<readonly TemplateOfTeam[]> {
  return await db
    .selectFrom("templates")
    .innerJoin("teams", "teams.id", "templates.team_id")
    .selectAll("templates")
    .select("teams.name as team_name")
    .where("teams.deleted_at", "is", null)
    .orderBy("templates.created_at", "desc")
    .orderBy("templates.id")
    .execute();
}

/** Adds a template, or with `overwrite` puts it in the place of one of the same name; undefined when the name is taken. */
export async function putTemplate(
  db: Db,
  template: NewTemplate,
  overwrite: boolean,
): Promise<TemplateRow | undefined> {
  const content = {
    host_key: template.hostKey,
    host_id: template.hostId,
    vcpus: template.vcpus,
    memory_mb: template.memoryMb,
    size_bytes: template.sizeBytes,
    metadata: JSON.stringify(template.metadata),
  };
  return await db
    .insertInto("templates")
    .values({ id: template.id, team_id: template.teamId, name: template.name, ...content })
    .onConflict((conflict) => {
      const same = conflict.columns(["team_id", "name"]);
      return overwrite ? same.doUpdateSet({ ...content, created_at: new Date() }) : same.doNothing();
    })
    .returningAll()
    .executeTakeFirst();
}

/** Forgets a template; one that is not there is fine. */
export async function deleteTemplate(db: Db, id: string): Promise<void> {
  await db.deleteFrom("templates").where("id", "=", id).execute();
}
