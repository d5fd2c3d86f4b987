import { sql } from "kysely";
import type { Selectable } from "kysely";
import type { ListeningPort } from "@wrenn/protocol";
import type { Db, ListeningPortsTable, Trx } from "../schema.ts";

export type ListeningPortsRow = Selectable<ListeningPortsTable>;

/** What listened in a capsule when that was recorded last. */
export async function findListeningPorts(db: Db, capsuleId: string): Promise<ListeningPortsRow | undefined> {
  return await db
    .selectFrom("listening_ports")
    .selectAll()
    .where("sandbox_id", "=", capsuleId)
    .executeTakeFirst();
}

/** The capsule's team and what is recorded; held until the end of the transaction. Undefined for a capsule that has ended. */
export async function lockListeningPorts(
  trx: Trx,
  capsuleId: string,
): Promise<
  | { readonly teamId: string; readonly hostId: string | null; readonly row: ListeningPortsRow | undefined }
  | undefined
> {
  const capsule = await trx
    .selectFrom("sandboxes")
    .select(["team_id", "host_id"])
    .where("id", "=", capsuleId)
    .where("status", "in", ["running", "paused"])
    .forNoKeyUpdate()
    .executeTakeFirst();
  if (!capsule) return undefined;
  return {
    teamId: capsule.team_id,
    hostId: capsule.host_id,
    row: await findListeningPorts(trx, capsuleId),
  };
}

export async function putListeningPorts(
  trx: Trx,
  row: {
    readonly capsuleId: string;
    readonly seenAt: number;
    readonly ports: readonly ListeningPort[];
    readonly unlisted: number;
  },
): Promise<void> {
  const values = { seen_at: row.seenAt, ports: JSON.stringify(row.ports), unlisted: row.unlisted };
  await trx
    .insertInto("listening_ports")
    .values({ sandbox_id: row.capsuleId, ...values })
    .onConflict((conflict) => conflict.column("sandbox_id").doUpdateSet(values))
    .execute();
}

/** Reports that ports of a capsule opened or closed, each as `tcp/8080`; it holds the lock of all events, so it comes last. */
export async function emitPortEvents(
  trx: Trx,
  capsule: { readonly id: string; readonly teamId: string },
  events: readonly { readonly type: "port.opened" | "port.closed"; readonly port: string }[],
): Promise<void> {
  for (const { type, port } of events)
    await sql`select emit_event(${capsule.teamId}::uuid, ${type}::text, null::jsonb, 'port'::text, ${`${capsule.id}/${port}`}::text)`.execute(
      trx,
    );
}
