import { sql } from "kysely";
import type { ExpressionBuilder, Selectable } from "kysely";
import type { HostsTable, HostStatus, HostType } from "../host-tables.ts";
import type { Db, Schema } from "../schema.ts";
import { moveToCopies } from "./template-copies.ts";

/** The database's time: control planes and hosts need not agree on theirs. */
const now = sql<Date>`now()`;

export type HostRow = Selectable<HostsTable>;

/** What a host says of itself. */
export interface HostSize {
  readonly arch: string;
  readonly cpuCores: number;
  readonly memoryMib: number;
  readonly diskGb: number;
}

/** A host that somebody is going to set up. */
export async function insertHost(
  db: Db,
  host: {
    readonly id: string;
    readonly type: HostType;
    readonly teamId: string | null;
    readonly provider: string | null;
    readonly availabilityZone: string | null;
    readonly createdBy: string;
  },
): Promise<HostRow> {
  return await db
    .insertInto("hosts")
    .values({
      id: host.id,
      type: host.type,
      team_id: host.teamId,
      provider: host.provider,
      availability_zone: host.availabilityZone,
      status: "pending",
      created_by: host.createdBy,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** The host in the process of this control plane; it is what it was when it comes back. */
export async function putLocalHost(db: Db, id: string, size: HostSize): Promise<void> {
  const facts = { ...columns(size), status: "online" as const, last_heartbeat_at: now, updated_at: now };
  await db
    .insertInto("hosts")
    .values({ id, type: "regular", ...facts })
    .onConflict((conflict) => conflict.column("id").doUpdateSet({ ...facts, deleted_at: null }))
    .execute();
  // Of releases that knew one host only.
  await db.updateTable("sandboxes").set({ host_id: id }).where("host_id", "is", null).execute();
  await db.updateTable("templates").set({ host_id: id }).where("host_id", "is", null).execute();
}

/** A host that has not been deleted. */
export async function findHost(db: Db, id: string): Promise<HostRow | undefined> {
  return await db
    .selectFrom("hosts")
    .selectAll()
    .where("id", "=", id)
    .where("deleted_at", "is", null)
    .executeTakeFirst();
}

/**
 * A host that has not been deleted, and that others do not change until the transaction ends. Every change of what was issued to a
 * host begins with this or with a change of its row, so that they take turns.
 */
export async function lockHost(trx: Db, id: string): Promise<HostRow | undefined> {
  return await trx
    .selectFrom("hosts")
    .selectAll()
    .where("id", "=", id)
    .where("deleted_at", "is", null)
    .forNoKeyUpdate()
    .executeTakeFirst();
}

/** Hosts that have not been deleted, oldest first; of one team, or all. */
export async function listHosts(db: Db, teamId?: string): Promise<readonly HostRow[]> {
  return await db
    .selectFrom("hosts")
    .selectAll()
    .where("deleted_at", "is", null)
    .$if(teamId !== undefined, (query) => query.where("team_id", "=", teamId ?? null))
    .orderBy("created_at")
    .orderBy("id")
    .execute();
}

/** A host that was announced, or whose credentials were revoked, has come. @returns undefined for any other. */
export async function registerHost(
  db: Db,
  id: string,
  host: HostSize & { readonly address: string; readonly registeredFrom: string | null },
): Promise<HostRow | undefined> {
  return await db
    .updateTable("hosts")
    .set({
      ...columns(host),
      address: host.address,
      registered_from: host.registeredFrom,
      status: "online",
      last_heartbeat_at: now,
      updated_at: now,
    })
    .where("id", "=", id)
    .where((eb) => eb.or([eb("status", "=", "pending"), isRevoked(eb)]))
    .where("deleted_at", "is", null)
    .returningAll()
    .executeTakeFirst();
}

/** A sign of life. @returns the status before, or undefined for a host that is not there. */
export async function touchHost(db: Db, id: string): Promise<HostStatus | undefined> {
  return await db.transaction().execute(async (trx) => {
    const host = await trx
      .selectFrom("hosts")
      .select("status")
      .where("id", "=", id)
      .where("deleted_at", "is", null)
      .forUpdate()
      .executeTakeFirst();
    if (!host || host.status === "pending") return undefined;
    const back = host.status === "unreachable" || host.status === "offline";
    await trx
      .updateTable("hosts")
      .set({ last_heartbeat_at: now, ...(back ? { status: "online" as const, updated_at: now } : {}) })
      .where("id", "=", id)
      .execute();
    return host.status;
  });
}

/** Hosts that were silent for so long become unreachable. @returns those that just did. */
export async function markSilentHosts(db: Db, silentMs: number): Promise<readonly HostRow[]> {
  return await db
    .updateTable("hosts")
    .set({ status: "unreachable", updated_at: now })
    .where("status", "in", ["online", "draining"])
    .where((eb) =>
      eb.or([
        eb("last_heartbeat_at", "<", sql<Date>`now() - ${silentMs} * interval '1 ms'`),
        eb("last_heartbeat_at", "is", null),
      ]),
    )
    .where("deleted_at", "is", null)
    .returningAll()
    .execute();
}

/** Moves a host to another status if it is in one of `from`. */
export async function changeHostStatus(
  db: Db,
  id: string,
  from: readonly HostStatus[],
  status: HostStatus,
): Promise<boolean> {
  const result = await db
    .updateTable("hosts")
    .set({ status, updated_at: now })
    .where("id", "=", id)
    .where("status", "in", from)
    .where("deleted_at", "is", null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** What was issued to a host last. */
export async function setHostCertificate(
  db: Db,
  id: string,
  certificate: { readonly fingerprint: string; readonly expiresAt: Date },
): Promise<void> {
  await db
    .updateTable("hosts")
    .set({ cert_fingerprint: certificate.fingerprint, cert_expires_at: certificate.expiresAt })
    .where("id", "=", id)
    .execute();
}

/** Nothing that was issued to a registered host is worth anything from now on. @returns false for a host that has not come yet. */
export async function revokeCredentials(db: Db, id: string): Promise<boolean> {
  const result = await db
    .updateTable("hosts")
    .set((eb) => ({
      cert_fingerprint: null,
      cert_expires_at: null,
      credentials_epoch: eb("credentials_epoch", "+", 1),
      updated_at: now,
    }))
    .where("id", "=", id)
    .where("address", "is not", null)
    .where("deleted_at", "is", null)
    .executeTakeFirst();
  if (result.numUpdatedRows === 0n) return false;
  await db.deleteFrom("host_tokens").where("host_id", "=", id).execute();
  await db.deleteFrom("host_certificates").where("host_id", "=", id).execute();
  return true;
}

/** A host on another machine that has no certificate. */
function isRevoked(eb: ExpressionBuilder<Schema, "hosts">) {
  return eb.and([eb("address", "is not", null), eb("cert_fingerprint", "is", null)]);
}

/** Nobody sees the host any more, nor what lay on it; its tokens are worth nothing. */
export async function deleteHost(db: Db, id: string): Promise<void> {
  await db
    .updateTable("hosts")
    .set({ status: "offline", deleted_at: now, updated_at: now })
    .where("id", "=", id)
    .execute();
  await moveToCopies(db, id);
  await db.deleteFrom("templates").where("host_id", "=", id).execute();
  await db.deleteFrom("discarded_templates").where("host_id", "=", id).execute();
  await db.deleteFrom("host_tokens").where("host_id", "=", id).execute();
  await db.deleteFrom("host_certificates").where("host_id", "=", id).execute();
  await db.deleteFrom("host_tags").where("host_id", "=", id).execute();
}

export async function listHostTags(db: Db, id: string): Promise<readonly string[]> {
  const rows = await db
    .selectFrom("host_tags")
    .select("tag")
    .where("host_id", "=", id)
    .orderBy("tag")
    .execute();
  return rows.map(({ tag }) => tag);
}

export async function addHostTag(db: Db, id: string, tag: string): Promise<void> {
  await db
    .insertInto("host_tags")
    .values({ host_id: id, tag })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

export async function removeHostTag(db: Db, id: string, tag: string): Promise<void> {
  await db.deleteFrom("host_tags").where("host_id", "=", id).where("tag", "=", tag).execute();
}

function columns(size: HostSize) {
  return {
    arch: size.arch,
    cpu_cores: size.cpuCores,
    memory_mb: size.memoryMib,
    disk_gb: size.diskGb,
  };
}
