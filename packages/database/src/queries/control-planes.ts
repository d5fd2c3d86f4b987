import { sql } from "kysely";
import type { Db } from "../schema.ts";

/** The database's time: control planes need not agree on theirs. */
const now = sql<Date>`now()`;

/** This control plane is alive. */
export async function touchControlPlane(db: Db, id: string): Promise<void> {
  await db
    .insertInto("control_planes")
    .values({ id, last_seen: now })
    .onConflict((conflict) => conflict.column("id").doUpdateSet({ last_seen: now }))
    .execute();
}

/** It runs nothing any more. */
export async function deleteControlPlane(db: Db, id: string): Promise<void> {
  await db.deleteFrom("control_planes").where("id", "=", id).execute();
}

/** Forgets control planes that were silent for so long: what they had begun nobody goes on with. */
export async function deleteSilentControlPlanes(db: Db, silentMs: number): Promise<void> {
  await db
    .deleteFrom("control_planes")
    .where("last_seen", "<", sql<Date>`now() - ${silentMs} * interval '1 ms'`)
    .execute();
}
