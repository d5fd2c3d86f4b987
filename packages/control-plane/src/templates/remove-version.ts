import { formatId, parseId, WrennError } from "@wrenn/core";
import {
  capsuleQueries,
  discardedTemplateQueries,
  templateCopyQueries,
  templateQueries,
} from "@wrenn/database";
import type { Database, TemplateRow, Trx } from "@wrenn/database";
import type { Fleet } from "../hosts/fleet.ts";

const DELETE_MS = 60_000;
/** Capsules that are to be started from what is replaced now are known to the host after this. */
const REPLACED_MS = 60_000;

export interface RemoveVersionDeps {
  readonly database: Database;
  readonly fleet: Fleet;
}

/**
 * Deletes a version with its files on every host. Capsules of other teams do not keep it: when only they use it, the version ends at
 * once, and its files count for its team until the last of them has ended. A host that has a copy and does not answer removes it later.
 *
 * @throws WrennError `template_in_use` with the capsules of its team that use it, or what the host that made it answers.
 */
export async function removeVersion(
  { database, fleet }: RemoveVersionDeps,
  version: TemplateRow,
): Promise<void> {
  const { db } = database;
  const { host_key: hostKey, host_id: hostId } = version;
  // First the copies: the version stays complete where it was made when one of them is in use.
  for (const copy of version.copy_host_ids)
    if (await removeCopy({ database, fleet }, version, copy))
      await templateCopyQueries.deleteCopy(db, hostKey, copy);
  const isRemoved = await removeFiles({ database, fleet }, version, hostId);
  await db.transaction().execute(async (trx) => {
    await templateQueries.lockTemplate(trx, version.team_id, version.name);
    await templateQueries.deleteTemplate(trx, version.id);
    await discardCopies(trx, version, 0);
    if (!isRemoved) await discardOwn(trx, version);
  });
}

/** Has the hosts of a version that has ended remove its files, as soon as no capsule uses them. */
export async function discardFiles(trx: Trx, version: TemplateRow): Promise<void> {
  await discardOwn(trx, version);
  await discardCopies(trx, version, REPLACED_MS);
}

async function discardOwn(trx: Trx, version: TemplateRow): Promise<void> {
  const { host_key: hostKey, host_id: hostId, team_id: teamId, size_bytes: size } = version;
  const counted = { teamId, sizeBytes: Number(size) };
  if (hostId !== null)
    await discardedTemplateQueries.discardTemplate(trx, { hostKey, hostId, counted }, REPLACED_MS);
}

/** Copies count for no team. */
async function discardCopies(trx: Trx, { host_key: hostKey }: TemplateRow, inMs: number): Promise<void> {
  for (const hostId of await templateCopyQueries.deleteCopies(trx, hostKey))
    await discardedTemplateQueries.discardTemplate(trx, { hostKey, hostId }, inMs);
}

/** @returns whether the files are gone; a host that does not answer removes them later. */
async function removeCopy(deps: RemoveVersionDeps, version: TemplateRow, hostId: string): Promise<boolean> {
  try {
    return await removeFiles(deps, version, hostId);
  } catch (error) {
    if (WrennError.is(error, "host_unavailable")) return false;
    throw error;
  }
}

/** @returns false when capsules of other teams use the files. @throws WrennError `template_in_use`, and of the host. */
async function removeFiles(
  { database, fleet }: RemoveVersionDeps,
  version: TemplateRow,
  hostId: string | null,
): Promise<boolean> {
  try {
    await fleet.agent(hostId).deleteSnapshot(version.host_key, AbortSignal.timeout(DELETE_MS));
    return true;
  } catch (error) {
    if (!WrennError.is(error, "template_in_use")) throw error;
    const own = await ownDependants(database, version, String(error.context["dependants"]));
    if (own === undefined) throw error;
    if (own.length > 0)
      throw new WrennError("template_in_use", { dependants: own.join(", ") }, { cause: error });
    return false;
  }
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
