import { sql } from "kysely";
import type { SqlBool } from "kysely";
import type { CapsuleRowStatus, Db } from "../schema.ts";
import type { CapsuleRow } from "./capsules.ts";
import { beyond, placeOf } from "./page.ts";
import type { Page } from "./page.ts";

/** Which capsules of a team are meant. */
export interface CapsuleFilter {
  readonly name?: string;
  readonly statuses?: readonly CapsuleRowStatus[];
  readonly template?: string;
  /** Name of a template, with whatever tag. */
  readonly templateName?: string;
  /** Pairs that a capsule has, all of them. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** At this time or later. */
  readonly createdFrom?: Date;
  readonly createdAfter?: Date;
  readonly createdBefore?: Date;
}

export interface CapsuleListOptions {
  readonly filter?: CapsuleFilter;
  /** Default: newest first. */
  readonly oldestFirst?: boolean;
  /** Without it, all. */
  readonly page?: Page;
}

/** As the indexes have it. */
const isLiving = sql<SqlBool>`status not in ('stopped', 'error')`;

/** A team's capsules that have not ended: all, or a page of them with the place of each. */
export async function listCapsules(
  db: Db,
  teamId: string,
  { filter = {}, oldestFirst = false, page }: CapsuleListOptions = {},
): Promise<readonly (CapsuleRow & { readonly place?: string })[]> {
  const order = oldestFirst ? "asc" : "desc";
  return await matching(db, teamId, filter)
    .selectAll()
    .$if(page !== undefined, (query) =>
      query
        .select(placeOf("created_at", "id").as("place"))
        .where(beyond(page?.after, order, "created_at", "id"))
        .limit(page?.limit ?? 0),
    )
    .orderBy("created_at", order)
    .orderBy("id", order)
    .execute();
}

/** How many capsules of a team that have not ended a filter matches. */
export async function countCapsules(db: Db, teamId: string, filter: CapsuleFilter): Promise<number> {
  const { count } = await matching(db, teamId, filter)
    .select((eb) => eb.fn.countAll<string>().as("count"))
    .executeTakeFirstOrThrow();
  return Number(count);
}

function matching(db: Db, teamId: string, filter: CapsuleFilter) {
  const { name, statuses, template, templateName, metadata, createdFrom, createdAfter, createdBefore } =
    filter;
  return db
    .selectFrom("sandboxes")
    .where("team_id", "=", teamId)
    .where(isLiving)
    .$if(name !== undefined, (query) => query.where("name", "=", name ?? ""))
    .$if(statuses !== undefined, (query) => query.where("status", "in", statuses ?? []))
    .$if(template !== undefined, (query) => query.where("template", "=", template ?? ""))
    .$if(templateName !== undefined, (query) =>
      query.where(sql<SqlBool>`split_part(template, ':', 1) = ${templateName ?? ""}`),
    )
    .$if(metadata !== undefined, (query) =>
      query.where(sql<SqlBool>`user_metadata @> ${JSON.stringify(metadata)}::jsonb`),
    )
    .$if(createdFrom !== undefined, (query) => query.where("created_at", ">=", createdFrom ?? new Date()))
    .$if(createdAfter !== undefined, (query) => query.where("created_at", ">", createdAfter ?? new Date()))
    .$if(createdBefore !== undefined, (query) => query.where("created_at", "<", createdBefore ?? new Date()));
}

/** UUID of the capsule of a team that has this name and has not ended. */
export async function findCapsuleId(db: Db, teamId: string, name: string): Promise<string | undefined> {
  const row = await db
    .selectFrom("sandboxes")
    .select("id")
    .where("team_id", "=", teamId)
    .where("name", "=", name)
    .where(isLiving)
    .executeTakeFirst();
  return row?.id;
}

/** Whether a capsule of the team has had this name. */
export async function wasName(db: Db, teamId: string, name: string): Promise<boolean> {
  const row = await db
    .selectFrom("sandboxes")
    .select("id")
    .where("team_id", "=", teamId)
    .where("name", "=", name)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Which of these names capsules of a team have that have not ended. */
export async function findTakenNames(
  db: Db,
  teamId: string,
  names: readonly string[],
): Promise<ReadonlySet<string>> {
  if (names.length === 0) return new Set();
  const rows = await db
    .selectFrom("sandboxes")
    .select("name")
    .where("team_id", "=", teamId)
    .where(sql<SqlBool>`name = any(${names})`)
    .where(isLiving)
    .execute();
  return new Set(rows.flatMap(({ name }) => (name === null ? [] : [name])));
}
