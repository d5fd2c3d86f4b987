import type { Db } from "../schema.ts";

/** A host that renews again and again keeps no more certificates than these. */
const KEPT = 8;

/** A certificate takes the place of a host's earlier ones, which are accepted until `graceUntil` at most. */
export async function succeedCertificate(
  db: Db,
  certificate: {
    readonly hostId: string;
    readonly fingerprint: string;
    readonly expiresAt: Date;
    readonly graceUntil: Date;
  },
): Promise<void> {
  const { hostId, fingerprint, expiresAt, graceUntil } = certificate;
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

/** Whether a host may show a certificate. */
export async function isAccepted(db: Db, hostId: string, fingerprint: string, now: Date): Promise<boolean> {
  const found = await db
    .selectFrom("host_certificates")
    .select("fingerprint")
    .where("host_id", "=", hostId)
    .where("fingerprint", "=", fingerprint)
    .where("accepted_until", ">", now)
    .executeTakeFirst();
  return found !== undefined;
}

/** None of a host's certificates is accepted from now on. */
export async function deleteCertificates(db: Db, hostId: string): Promise<void> {
  await db.deleteFrom("host_certificates").where("host_id", "=", hostId).execute();
}
