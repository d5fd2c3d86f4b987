import type { Db, PortAccessTable } from "../schema.ts";

/** Ports of a capsule whose access was set, by number. */
export async function listPortAccess(db: Db, capsuleId: string): Promise<readonly PortAccessTable[]> {
  return await db
    .selectFrom("port_access")
    .selectAll()
    .where("sandbox_id", "=", capsuleId)
    .orderBy("port")
    .execute();
}

/** Sets who may use a port. @returns whether that changed anything. */
export async function setPortAccess(db: Db, access: PortAccessTable): Promise<boolean> {
  const result = await db
    .insertInto("port_access")
    .values({ sandbox_id: access.sandbox_id, port: access.port, access: access.access })
    .onConflict((conflict) =>
      conflict
        .columns(["sandbox_id", "port"])
        .doUpdateSet({ access: access.access })
        .where("port_access.access", "<>", access.access),
    )
    .executeTakeFirst();
  return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
}
