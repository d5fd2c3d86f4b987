import { formatId, parseId } from "@wrenn/core";
import { capsuleQueries } from "@wrenn/database";
import type { Database } from "@wrenn/database";

/** Tells which of the capsules that a host speaks of are placed on it. Ids that are not valid are of no capsule. */
export function placedOn(
  database: Database,
): (hostId: string, ids: readonly string[]) => Promise<ReadonlySet<string>> {
  return async (hostId, ids) => {
    const rows = await capsuleQueries.findCapsules(database.db, validIds(ids));
    return new Set(rows.filter((row) => row.host_id === hostId).map(({ id }) => formatId("capsule", id)));
  };
}

/** The ids of capsules among public ids that a host gave, without those that are not valid. */
export function validIds(publicIds: readonly string[]): readonly string[] {
  return publicIds.flatMap((publicId) => {
    try {
      return [parseId("capsule", publicId)];
    } catch {
      return [];
    }
  });
}
