import { sql } from "kysely";
import type { Selectable } from "kysely";
import type { MailsTable } from "../mail-tables.ts";
import type { Db } from "../schema.ts";
import type { DeliveryOutcome } from "./deliveries.ts";
import { olderThan, placeOf } from "./page.ts";
import type { Page } from "./page.ts";

export type MailRow = Selectable<MailsTable>;

/** A mail that is to be taken to the mail server. */
export interface WaitingMail {
  readonly id: string;
  /** This one included. */
  readonly attempts: number;
  readonly recipient: string;
  readonly content: Buffer;
  readonly expiresAt: Date;
}

/** Puts a mail into the outbox, and tells `channel` of it at the commit when it waits. */
export async function insertMail(
  db: Db,
  mail: {
    readonly id: string;
    readonly recipient: string;
    readonly kind: string;
    readonly content: Buffer;
    readonly tokenHash: string | undefined;
    readonly state: "waiting" | "kept";
    readonly expiresAt: Date;
  },
  channel: string,
): Promise<void> {
  await db
    .insertInto("mails")
    .values({
      id: mail.id,
      recipient: mail.recipient,
      kind: mail.kind,
      content: mail.content,
      state: mail.state,
      token_hash: mail.tokenHash ?? null,
      expires_at: mail.expiresAt,
    })
    .execute();
  if (mail.state === "waiting") await sql`select pg_notify(${channel}, '')`.execute(db);
}

/** Takes what is due, for so long that nobody else tries it meanwhile; what is over at `now` stays. */
export async function claimMails(
  db: Db,
  limit: number,
  claimMs: number,
  now: Date,
): Promise<readonly WaitingMail[]> {
  const { rows } = await sql<WaitingMail>`
    with due as (
      select id from mails where state = 'waiting' and due_at <= now() and expires_at > ${now}
      order by due_at limit ${limit} for update skip locked
    )
    update mails m set attempts = m.attempts + 1, due_at = now() + ${claimMs} * interval '1 ms'
    from due where m.id = due.id
    returning m.id, m.attempts, m.recipient, m.content, m.expires_at as "expiresAt"`.execute(db);
  return rows;
}

/** Says what became of an attempt; what a mail said is forgotten when it was the last one. */
export async function settleMail(db: Db, id: string, outcome: DeliveryOutcome): Promise<void> {
  await db
    .updateTable("mails")
    .set({
      state: outcome.state,
      problem: outcome.state === "delivered" ? null : outcome.problem,
      ...(outcome.state === "waiting"
        ? { due_at: sql<Date>`now() + ${outcome.waitMs} * interval '1 ms'` }
        : { content: null }),
    })
    .where("id", "=", id)
    .execute();
}

/** Mails that are not over at `now`, and settled ones, newest first: all, or a page of them with the place of each. */
export async function listMails(
  db: Db,
  now: Date,
  page?: Page,
): Promise<readonly (MailRow & { readonly place?: string })[]> {
  return await db
    .selectFrom("mails")
    .selectAll()
    .$if(page !== undefined, (query) =>
      query
        .select(placeOf("created_at", "id").as("place"))
        .where(olderThan(page?.after, "created_at", "id"))
        .limit(page?.limit ?? 0),
    )
    .where((eb) => eb.or([eb("expires_at", ">", now), eb("state", "in", ["delivered", "failed"])]))
    .orderBy("created_at", "desc")
    .orderBy("id", "desc")
    .execute();
}

/** Drops settled mails from before `settledBefore`; what is over and was never told is dropped at once. */
export async function pruneMails(db: Db, now: Date, settledBefore: Date): Promise<void> {
  await db
    .deleteFrom("mails")
    .where((eb) =>
      eb.or([
        eb.and([eb("created_at", "<", settledBefore), eb("state", "in", ["delivered", "failed"])]),
        eb.and([eb("expires_at", "<", now), eb("state", "in", ["waiting", "kept"])]),
      ]),
    )
    .execute();
}
