import { defined } from "@wrenn/core";
import type { LifetimeEnd, NetworkRules } from "@wrenn/protocol";
import { sql } from "kysely";
import type { Actor } from "../event-tables.ts";
import type { Trx } from "../schema.ts";
import type { CapsuleRow } from "./capsules.ts";

/** What may be changed of a capsule; what is absent stays. */
export interface CapsuleSettings {
  /** Null: it has no name from now on. */
  readonly name?: string | null;
  /** All of it. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly timeoutSec?: number;
  readonly maxLifetimeSec?: number;
  readonly onLifetimeEnd?: LifetimeEnd;
  readonly autoResume?: boolean;
  readonly network?: NetworkRules;
  /** End of the present run; null: as `maxLifetimeSec` says. */
  readonly extendedUntil?: Date | null;
}

/** Locks the row of a capsule until the end of the transaction. */
export async function lockCapsule(trx: Trx, id: string): Promise<CapsuleRow | undefined> {
  return await trx
    .selectFrom("sandboxes")
    .selectAll()
    .where("id", "=", id)
    .forNoKeyUpdate()
    .executeTakeFirst();
}

/** Locks a team, so that no other transaction gives one of its capsules a name. */
export async function lockNames(trx: Trx, teamId: string): Promise<void> {
  await trx.selectFrom("teams").select("id").where("id", "=", teamId).forNoKeyUpdate().execute();
}

/** Changes a capsule, with the event `capsule.updated`. @returns the changed row. */
export async function changeSettings(
  trx: Trx,
  id: string,
  settings: CapsuleSettings,
  { at, actor }: { readonly at: Date; readonly actor: Actor | undefined },
): Promise<CapsuleRow> {
  const row = await trx
    .updateTable("sandboxes")
    .set((eb) => ({
      version: eb("version", "+", 1),
      last_updated: at,
      ...defined({
        name: settings.name,
        user_metadata: settings.metadata && JSON.stringify(settings.metadata),
        timeout_sec: settings.timeoutSec,
        max_lifetime_sec: settings.maxLifetimeSec,
        on_lifetime_end: settings.onLifetimeEnd,
        auto_resume: settings.autoResume,
        network: settings.network && JSON.stringify(settings.network),
        extended_until: settings.extendedUntil,
      }),
    }))
    .where("id", "=", id)
    .returningAll()
    .executeTakeFirstOrThrow();
  // Last: its lock is held until the commit.
  const who = actor ? JSON.stringify(actor) : null;
  await sql`select emit_event(${row.team_id}::uuid, 'capsule.updated', ${who}::jsonb, 'sandbox', ${id}::text)`.execute(
    trx,
  );
  return row;
}
