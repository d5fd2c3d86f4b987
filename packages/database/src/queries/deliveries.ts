import { sql } from "kysely";
import type { EventRow } from "./events.ts";
import type { Db } from "../schema.ts";

/** Something to tell a channel. */
export interface Delivery {
  readonly id: string;
  /** This one included. */
  readonly attempts: number;
  readonly channelId: string;
  readonly provider: string;
  readonly config: Buffer;
  readonly event: EventRow;
}

/**
 * Takes what is due, for so long that nobody else tries it meanwhile: who ends in the middle has tried, and it is due again.
 */
export async function claimDeliveries(db: Db, limit: number, claimMs: number): Promise<readonly Delivery[]> {
  const { rows } = await sql<
    EventRow & { delivery: string; attempts: number; channel: string; provider: string; config: Buffer }
  >`
    with due as (
      select id from deliveries where state = 'waiting' and due_at <= now()
      order by due_at limit ${limit} for update skip locked
    ), claimed as (
      update deliveries d set attempts = d.attempts + 1, due_at = now() + ${claimMs} * interval '1 ms'
      from due where d.id = due.id
      returning d.id, d.attempts, d.channel_id, d.event_id
    )
    select claimed.id as delivery, claimed.attempts, c.id as channel, c.provider, c.config, e.*
    from claimed join channels c on c.id = claimed.channel_id join events e on e.id = claimed.event_id`.execute(
    db,
  );
  return rows.map(({ delivery, attempts, channel, provider, config, ...event }) => ({
    id: delivery,
    attempts,
    channelId: channel,
    provider,
    config,
    event,
  }));
}

/** What became of an attempt. */
export type DeliveryOutcome =
  | { readonly state: "delivered" }
  | { readonly state: "failed"; readonly problem: string }
  | { readonly state: "waiting"; readonly problem: string; readonly waitMs: number };

export async function settleDelivery(db: Db, id: string, outcome: DeliveryOutcome): Promise<void> {
  await db
    .updateTable("deliveries")
    .set({
      state: outcome.state,
      problem: outcome.state === "delivered" ? null : outcome.problem,
      ...(outcome.state === "waiting"
        ? { due_at: sql<Date>`now() + ${outcome.waitMs} * interval '1 ms'` }
        : {}),
    })
    .where("id", "=", id)
    .execute();
}
