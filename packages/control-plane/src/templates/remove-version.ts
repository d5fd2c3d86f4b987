import { formatId, parseId, WrennError } from "@wrenn/core";
import { capsuleQueries, discardedTemplateQueries, templateQueries } from "@wrenn/database";
import type { Database, TemplateRow, Trx } from "@wrenn/database";
import type { Fleet } from "../hosts/fleet.ts";

const DELETE_MS = 60_000;
/** Capsules that are to be started from what is replaced now are known to the host after this. */
const REPLACED_MS = 60_000;

/**
 * Deletes a version with its files. Capsules of other teams do not keep it: when only they use it, the version ends at once, and its
 * files count for its team until the last of them has ended.
 *
 * @throws WrennError `template_in_use` with the capsules of its team that use it, or what its host answers.
 */
export async function removeVersion(database: Database, fleet: Fleet, version: TemplateRow): Promise<void> {
  const { db } = database;
  try {
    await fleet.of(version).deleteSnapshot(version.host_key, AbortSignal.timeout(DELETE_MS));
    await db.transaction().execute(async (trx) => await endVersion(trx, version));
  } catch (error) {
    if (!WrennError.is(error, "template_in_use")) throw error;
    const own = await ownDependants(database, version, String(error.context["dependants"]));
    if (own === undefined) throw error;
    if (own.length > 0)
      throw new WrennError("template_in_use", { dependants: own.join(", ") }, { cause: error });
    await db.transaction().execute(async (trx) => {
      await endVersion(trx, version);
      await discardFiles(trx, version);
    });
  }
}

/** Has the host of a version that has ended remove its files, as soon as no capsule uses them. */
export async function discardFiles(trx: Trx, version: TemplateRow): Promise<void> {
  const { host_key: hostKey, host_id: hostId, team_id: teamId, size_bytes: size } = version;
  const counted = { teamId, sizeBytes: Number(size) };
  if (hostId !== null)
    await discardedTemplateQueries.discardTemplate(trx, { hostKey, hostId, counted }, REPLACED_MS);
}

async function endVersion(trx: Trx, { id, team_id: teamId, name }: TemplateRow): Promise<void> {
  await templateQueries.lockTemplate(trx, teamId, name);
  await templateQueries.deleteTemplate(trx, id);
}

/** Those of a host's list of capsules that are of the version's team; undefined when the list says something else. */
async function ownDependants(
  { db }: Database,
  { team_id: teamId }: TemplateRow,
  dependants: string,
): Promise<readonly string[] | undefined> {
  const ids = dependants.split(", ");
  if (!ids.every((id) => /^cl-[0-9a-z]{25}$/.test(id))) return undefined;
  const rows = await capsuleQueries.findCapsules(
    db,
    ids.map((id) => parseId("capsule", id)),
  );
  const known = new Map(rows.map((row) => [formatId("capsule", row.id), row.team_id]));
  // One without a row is a leftover, which its host removes: for its team the template is in use until then.
  return ids.filter((id) => (known.get(id) ?? teamId) === teamId);
}
