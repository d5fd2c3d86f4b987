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

/** Whether ports of the capsules of a team can be public. */
export async function allowsPublicPorts(db: Db, teamId: string): Promise<boolean> {
  const team = await db
    .selectFrom("teams")
    .select("allows_public_ports")
    .where("id", "=", teamId)
    .executeTakeFirst();
  return team?.allows_public_ports ?? false;
}

/** Sets whether ports of the capsules of a team can be public. */
export async function setAllowsPublicPorts(db: Db, teamId: string, isAllowed: boolean): Promise<void> {
  await db.updateTable("teams").set({ allows_public_ports: isAllowed }).where("id", "=", teamId).execute();
}
