import { sql } from "kysely";
import type { Selectable } from "kysely";
import type { Db, PortLinksTable, Trx } from "../schema.ts";

export type PortLinkRow = Selectable<PortLinksTable>;

export interface NewPortLink {
  readonly id: string;
  readonly capsuleId: string;
  readonly port: number;
  readonly teamId: string;
  /** The person, or the API key, that makes it. */
  readonly creator: { readonly userId: string } | { readonly keyId: string };
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

/** Adds a link while the capsule has fewer than `most` that work; undefined when it has as many. */
export async function insertPortLink(
  trx: Trx,
  link: NewPortLink,
  most: number,
): Promise<PortLinkRow | undefined> {
  // Creates for one capsule wait for each other, so that they are counted.
  await sql`select pg_advisory_xact_lock(hashtextextended(${`links of ${link.capsuleId}`}, 0))`.execute(trx);
  const { count } = await trx
    .selectFrom("port_links")
    .select(sql<number>`count(*)::int`.as("count"))
    .where("sandbox_id", "=", link.capsuleId)
    .where("expires_at", ">", link.createdAt)
    .executeTakeFirstOrThrow();
  if (count >= most) return undefined;
  return await trx
    .insertInto("port_links")
    .values({
      id: link.id,
      sandbox_id: link.capsuleId,
      port: link.port,
      team_id: link.teamId,
      created_by: "userId" in link.creator ? link.creator.userId : null,
      api_key_id: "keyId" in link.creator ? link.creator.keyId : null,
      created_at: link.createdAt,
      expires_at: link.expiresAt,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** Links to a capsule's ports that work, or to one port, newest first. */
export async function listPortLinks(
  db: Db,
  capsuleId: string,
  port: number | undefined,
  now: Date,
): Promise<readonly PortLinkRow[]> {
  const rows = db
    .selectFrom("port_links")
    .selectAll()
    .where("sandbox_id", "=", capsuleId)
    .where("expires_at", ">", now);
  return await (port === undefined ? rows : rows.where("port", "=", port))
    .orderBy("created_at", "desc")
    .orderBy("id")
    .execute();
}

/** Ends a link to a port; false when there is none. */
export async function deletePortLink(db: Db, capsuleId: string, port: number, id: string): Promise<boolean> {
  const result = await db
    .deleteFrom("port_links")
    .where("id", "=", id)
    .where("sandbox_id", "=", capsuleId)
    .where("port", "=", port)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}

/** The link of an id while it works. */
export async function findPortLink(db: Db, id: string, now: Date): Promise<PortLinkRow | undefined> {
  return await db
    .selectFrom("port_links")
    .selectAll()
    .where("id", "=", id)
    .where("expires_at", ">", now)
    .executeTakeFirst();
}
