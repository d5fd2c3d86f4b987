import { formatId, parseId, problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import { capsuleQueries } from "@wrenn/database";
import type { Database, CapsuleChange, CapsuleRow } from "@wrenn/database";
import type { CapsuleStatus, HostAgent } from "@wrenn/protocol";
import { removeDiscarded } from "./remove-discarded.ts";

const DESTROY_MS = 60_000;
/** For how long the files of a failed capsule are kept for whoever wants to know why. */
const KEEP_FAILED_MS = 24 * 3_600_000;

export interface ReconcileDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Makes the rows of a host's capsules say what the host holds. Nothing is concluded from silence: a capsule has ended only when
 * its host answers and does not list it, and a host gives up a capsule only when it is told to.
 *
 * Rows are read before the host is asked, so that what is created meanwhile is not taken for lost; rows that somebody works on
 * are left alone, and each is changed only if it is still as it was read. Files of templates that nobody names are removed.
 *
 * @throws WrennError when the host does not answer.
 */
export async function reconcileHost(
  hostId: string,
  agent: HostAgent,
  deps: ReconcileDeps,
  signal: AbortSignal,
): Promise<void> {
  const { database, clock, logger } = deps;
  const rows = await capsuleQueries.listSettledCapsules(database.db, hostId);
  const held = new Map((await agent.listCapsules(signal)).map((status) => [status.id, status]));
  for (const row of rows) {
    const change = settle(row, held.get(formatId("capsule", row.id)));
    if (!change) continue;
    const at = new Date(clock.now());
    if (
      await capsuleQueries.changeCapsule(
        database.db,
        row.id,
        [row.status],
        { ...change, version: row.version },
        at,
      )
    )
      logger.info("capsule.reconciled", {
        capsule: formatId("capsule", row.id),
        was: row.status,
        is: change.status,
      });
  }
  await releaseEnded(hostId, agent, held, deps);
  await removeDiscarded(hostId, agent, deps);
}

/** What a row must be changed to, if anything. */
export function settle(row: CapsuleRow, status: CapsuleStatus | undefined): CapsuleChange | undefined {
  switch (status?.state) {
    case "running":
    case "paused": {
      const hostIp = status.hostAddress ?? null;
      const problem = status.problem ?? null;
      return row.status === status.state && row.host_ip === hostIp && row.problem === problem
        ? undefined
        : { status: status.state, hostIp, problem, metadata: status.metadata };
    }
    case "failed":
      return { status: "error", hostIp: null, problem: status.problem ?? "the capsule failed" };
    case "gone":
    case undefined:
      return row.status === "pending" || row.status === "starting"
        ? { status: "error", hostIp: null, problem: "its creation was interrupted" }
        : { status: "stopped", hostIp: null, problem: "its host does not have it any more" };
    case "creating":
    case "pausing":
    case "resuming":
    case "destroying":
      // The host is in the middle of something; the next round tells.
      return undefined;
  }
}

/** A host keeps what has ended until it is told that everybody knows. */
async function releaseEnded(
  hostId: string,
  agent: HostAgent,
  held: ReadonlyMap<string, CapsuleStatus>,
  { database, clock, logger }: ReconcileDeps,
): Promise<void> {
  const publicIds = [...held.keys()];
  const rows = await capsuleQueries.findCapsules(
    database.db,
    publicIds.map((id) => parseId("capsule", id)),
  );
  const known = new Map(rows.map((row) => [formatId("capsule", row.id), row]));
  for (const publicId of publicIds) {
    const row = known.get(publicId);
    if (!row) {
      // Of another database, or of a backup's future: not ours to destroy.
      logger.warn("capsule.unknown", { capsule: publicId, host: formatId("host", hostId) });
      continue;
    }
    const { state } = held.get(publicId) ?? {};
    const over =
      row.status === "stopped" ||
      row.host_id !== hostId ||
      // Its creation ended without its host's answer: there is nothing to look into, and no one knows that it runs.
      (row.status === "error" && row.started_at === null && state !== "failed") ||
      (row.status === "error" && clock.now() - row.last_updated.getTime() > KEEP_FAILED_MS);
    if (!over) continue;
    try {
      await agent.destroyCapsule(publicId, AbortSignal.timeout(DESTROY_MS));
      logger.info("capsule.released", { capsule: publicId, host: formatId("host", hostId) });
    } catch (error) {
      if (WrennError.is(error, "host_unavailable")) throw error;
      logger.warn("capsule.release_failed", { capsule: publicId, problem: problemOf(error) });
    }
  }
}
