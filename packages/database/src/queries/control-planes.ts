import type { Kysely } from "kysely";
import type { Schema } from "../schema.ts";

type Db = Kysely<Schema>;

/** This control plane is alive. */
export async function touchControlPlane(db: Db, id: string, at: Date): Promise<void> {
  await db
    .insertInto("control_planes")
    .values({ id, last_seen: at })
    .onConflict((conflict) => conflict.column("id").doUpdateSet({ last_seen: at }))
    .execute();
}

/** It runs nothing any more. */
export async function deleteControlPlane(db: Db, id: string): Promise<void> {
  await db.deleteFrom("control_planes").where("id", "=", id).execute();
}

/** Forgets control planes that were silent since `before`: what they had begun nobody goes on with. */
export async function deleteSilentControlPlanes(db: Db, before: Date): Promise<void> {
  await db.deleteFrom("control_planes").where("last_seen", "<", before).execute();
}
