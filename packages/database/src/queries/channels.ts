import { defined } from "@wrenn/core";
import type { Selectable } from "kysely";
import type { ChannelsTable } from "../channel-tables.ts";
import type { Db } from "../schema.ts";

export type ChannelRow = Selectable<ChannelsTable>;

/** @returns undefined when the team has a channel of this name. */
export async function insertChannel(
  db: Db,
  channel: Omit<ChannelRow, "created_at" | "updated_at">,
): Promise<ChannelRow | undefined> {
  return await db
    .insertInto("channels")
    .values({
      id: channel.id,
      team_id: channel.team_id,
      name: channel.name,
      provider: channel.provider,
      events: channel.events,
      config: channel.config,
    })
    .onConflict((conflict) => conflict.columns(["team_id", "name"]).doNothing())
    .returningAll()
    .executeTakeFirst();
}

export async function listChannels(db: Db, teamId: string): Promise<readonly ChannelRow[]> {
  return await db
    .selectFrom("channels")
    .selectAll()
    .where("team_id", "=", teamId)
    .orderBy("created_at", "desc")
    .orderBy("id")
    .execute();
}

export async function findChannel(db: Db, teamId: string, id: string): Promise<ChannelRow | undefined> {
  return await db
    .selectFrom("channels")
    .selectAll()
    .where("id", "=", id)
    .where("team_id", "=", teamId)
    .executeTakeFirst();
}

export async function findChannelNamed(
  db: Db,
  teamId: string,
  name: string,
): Promise<ChannelRow | undefined> {
  return await db
    .selectFrom("channels")
    .selectAll()
    .where("team_id", "=", teamId)
    .where("name", "=", name)
    .executeTakeFirst();
}

export async function changeChannel(
  db: Db,
  id: string,
  change: Partial<Pick<ChannelRow, "name" | "events" | "config">>,
  at: Date,
): Promise<ChannelRow> {
  return await db
    .updateTable("channels")
    .set({
      ...defined({ name: change.name, events: change.events, config: change.config }),
      updated_at: at,
    })
    .where("id", "=", id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** @returns whether there was such a channel. */
export async function deleteChannel(db: Db, teamId: string, id: string): Promise<boolean> {
  const result = await db
    .deleteFrom("channels")
    .where("id", "=", id)
    .where("team_id", "=", teamId)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}
