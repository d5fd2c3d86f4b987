import type { Db } from "../schema.ts";

/** A host that renews again and again keeps no more certificates than these. */
const KEPT = 8;
const FINGERPRINT = /^[0-9a-f]{64}$/;

/** A certificate takes the place of a host's earlier ones, which are accepted until `graceUntil` at most. */
export async function succeedCertificate(
  db: Db,
  certificate: {
    readonly hostId: string;
    readonly fingerprint: string;
    readonly expiresAt: Date;
    /** What the host's row names; a control plane of the release before records it there only. */
    readonly previous: string | null;
    readonly graceUntil: Date;
  },
): Promise<void> {
  const { hostId, fingerprint, expiresAt, previous, graceUntil } = certificate;
  if (previous !== null && FINGERPRINT.test(previous))
    await db
      .insertInto("host_certificates")
      .values({ host_id: hostId, fingerprint: previous, accepted_until: graceUntil })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  await db
    .updateTable("host_certificates")
    .set((eb) => ({ accepted_until: eb.fn<Date>("least", ["accepted_until", eb.val(graceUntil)]) }))
    .where("host_id", "=", hostId)
    .execute();
  await db
    .insertInto("host_certificates")
    .values({ host_id: hostId, fingerprint, accepted_until: expiresAt })
    .onConflict((conflict) =>
      conflict.columns(["host_id", "fingerprint"]).doUpdateSet({ accepted_until: expiresAt }),
    )
    .execute();
  await db
    .deleteFrom("host_certificates")
    .where("host_id", "=", hostId)
    .where("fingerprint", "not in", (eb) =>
      eb
        .selectFrom("host_certificates")
        .select("fingerprint")
        .where("host_id", "=", hostId)
        .orderBy("created_at", "desc")
        .orderBy("accepted_until", "desc")
        .limit(KEPT),
    )
    .execute();
}

/** Whether a host may show a certificate: one that is recorded, or that a control plane of the release before issued to it last. */
export async function isAccepted(db: Db, hostId: string, fingerprint: string, now: Date): Promise<boolean> {
  const found = await db
    .selectFrom("hosts as h")
    .leftJoin("host_certificates as c", (join) =>
      join.onRef("c.host_id", "=", "h.id").on("c.fingerprint", "=", fingerprint),
    )
    .select("h.id")
    .where("h.id", "=", hostId)
    .where("h.deleted_at", "is", null)
    .where((eb) =>
      eb.or([
        eb("c.accepted_until", ">", now),
        eb.and([
          eb("c.fingerprint", "is", null),
          eb("h.cert_fingerprint", "=", fingerprint),
          eb("h.cert_expires_at", ">", now),
        ]),
      ]),
    )
    .executeTakeFirst();
  return found !== undefined;
}

/** Whether the first certificate that is recorded of a host is still accepted, or none is recorded. */
export async function isFirstAccepted(db: Db, hostId: string, now: Date): Promise<boolean> {
  const first = await db
    .selectFrom("host_certificates")
    .select("accepted_until")
    .where("host_id", "=", hostId)
    .orderBy("created_at")
    .orderBy("accepted_until")
    .limit(1)
    .executeTakeFirst();
  return first === undefined || first.accepted_until > now;
}

/** None of a host's certificates is accepted from now on. */
export async function deleteCertificates(db: Db, hostId: string): Promise<void> {
  await db.deleteFrom("host_certificates").where("host_id", "=", hostId).execute();
}
