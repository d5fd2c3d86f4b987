import type { NetworkRules } from "@wrenn/protocol";
import type { Selectable } from "kysely";
import type { Db, TemplatesTable, Trx } from "../schema.ts";

export type TemplateRow = Selectable<TemplatesTable>;

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

/** Names of the templates whose files lie on a host. */
export async function listHostTemplates(db: Db, hostId: string): Promise<readonly string[]> {
  const rows = await db
    .selectFrom("templates")
    .select("name")
    .where("host_id", "=", hostId)
    .orderBy("name")
    .execute();
  return rows.map(({ name }) => name);
}

/** Adds a template; undefined when its name is taken. */
export async function putTemplate(db: Db, template: NewTemplate): Promise<TemplateRow | undefined> {
  return await db
    .insertInto("templates")
    .values({ id: template.id, team_id: template.teamId, name: template.name, ...contentOf(template) })
    .onConflict((conflict) => conflict.columns(["team_id", "name"]).doNothing())
    .returningAll()
    .executeTakeFirst();
}

/** Gives the name of a template to other files; undefined when there is none of that name. */
export async function replaceTemplate(
  trx: Trx,
  template: NewTemplate,
): Promise<{ readonly row: TemplateRow; readonly replaced: TemplateRow } | undefined> {
  const replaced = await trx
    .selectFrom("templates")
    .selectAll()
    .where("team_id", "=", template.teamId)
    .where("name", "=", template.name)
    .forUpdate()
    .executeTakeFirst();
  if (!replaced) return undefined;
  const row = await trx
    .updateTable("templates")
    .set({ ...contentOf(template), created_at: new Date() })
    .where("id", "=", replaced.id)
    .returningAll()
    .executeTakeFirstOrThrow();
  return { row, replaced };
}

/** Forgets a template; one that is not there is fine. */
export async function deleteTemplate(db: Db, id: string): Promise<void> {
  await db.deleteFrom("templates").where("id", "=", id).execute();
}

function contentOf(template: NewTemplate): {
  readonly host_key: string;
  readonly host_id: string;
  readonly vcpus: number;
  readonly memory_mb: number;
  readonly size_bytes: number;
  readonly metadata: string;
  readonly network: string | null;
} {
  return {
    host_key: template.hostKey,
    host_id: template.hostId,
    vcpus: template.vcpus,
    memory_mb: template.memoryMib,
    size_bytes: template.sizeBytes,
    metadata: JSON.stringify(template.metadata),
    network: template.network ? JSON.stringify(template.network) : null,
  };
}
