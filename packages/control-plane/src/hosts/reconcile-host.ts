import { formatId, problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import { capsuleQueries } from "@wrenn/database";
import type { Database, CapsuleChange, CapsuleRow } from "@wrenn/database";
import type { CapsuleStatus, HostAgent } from "@wrenn/protocol";
import { validIds } from "./placed-on.ts";
import { conditionOf, saysCondition } from "./reported-condition.ts";
import { removeDiscarded } from "./remove-discarded.ts";

const DESTROY_MS = 60_000;
/** Capsules that are released in one comparison: the rest is due at the next. */
const RELEASED_AT_ONCE = 100;
/** For how long the files of a failed capsule are kept for whoever wants to know why. */
const KEEP_FAILED_MS = 24 * 3_600_000;

export interface ReconcileSignals {
  /** Aborts when the host has not said in time what it holds. */
  readonly answered: AbortSignal;
  /** Aborts when the control plane closes: nothing that a host does slowly holds it up. */
  readonly closing: AbortSignal;
}

export interface ReconcileDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether it may be recorded now that a capsule waits, continues, or turned from running to paused or back. */
  readonly mayTurn: (capsuleId: string) => boolean;
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
  { answered, closing }: ReconcileSignals,
): Promise<void> {
  const { database, clock, logger, mayTurn } = deps;
  const rows = await capsuleQueries.listSettledCapsules(database.db, hostId);
  const held = new Map((await agent.listCapsules(answered)).map((status) => [status.id, status]));
  for (const row of rows) {
    const change = settle(row, held.get(formatId("capsule", row.id)));
    if (!change || (isTurn(row, change) && !mayTurn(row.id))) continue;
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
  await releaseEnded(hostId, agent, held, deps, closing);
  await removeDiscarded(hostId, agent, deps, closing);
}

/** What a row must be changed to, if anything. */
export function settle(row: CapsuleRow, status: CapsuleStatus | undefined): CapsuleChange | undefined {
  switch (status?.state) {
    case "running":
    case "paused": {
      const hostIp = status.hostAddress ?? null;
      const problem = status.problem ?? null;
      const keeping = { kept: status.kept ?? null, diskAtBoot: status.diskAtBoot ?? null };
      const condition = status.state === "running" ? conditionOf(status) : {};
      return row.status === status.state &&
        row.host_ip === hostIp &&
        row.problem === problem &&
        isKept(row, keeping) &&
        saysCondition(row, condition)
        ? undefined
        : { status: status.state, hostIp, problem, metadata: status.metadata, ...keeping, condition };
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

/** Whether a row says what a host says. Earlier releases of either do not know: the memory was kept, and nothing was booted. */
function isKept(
  row: CapsuleRow,
  {
    kept,
    diskAtBoot,
  }: { readonly kept: CapsuleRow["kept"]; readonly diskAtBoot: CapsuleRow["disk_at_boot"] },
): boolean {
  return (kept === "disk") === (row.kept === "disk") && diskAtBoot === row.disk_at_boot;
}

/** A change that a host can take back with its next answer. */
function isTurn(row: CapsuleRow, { status }: CapsuleChange): boolean {
  return [row.status, status].every((one) => one === "running" || one === "paused");
}

/** A host keeps what has ended until it is told that everybody knows. */
async function releaseEnded(
  hostId: string,
  agent: HostAgent,
  held: ReadonlyMap<string, CapsuleStatus>,
  { database, clock, logger }: ReconcileDeps,
  closing: AbortSignal,
): Promise<void> {
  const publicIds = [...held.keys()];
  const rows = await capsuleQueries.findCapsules(database.db, validIds(publicIds));
  const known = new Map(rows.map((row) => [formatId("capsule", row.id), row]));
  const unknown = publicIds.filter((publicId) => !known.has(publicId));
  // Of another database, or of a backup's future: not to be destroyed.
  if (unknown[0] !== undefined)
    logger.warn("capsule.unknown", {
      capsule: unknown[0],
      capsules: unknown.length,
      host: formatId("host", hostId),
    });
  let released = 0;
  for (const [publicId, row] of known) {
    if (closing.aborted || released >= RELEASED_AT_ONCE) return;
    const { state } = held.get(publicId) ?? {};
    const over =
      row.status === "stopped" ||
      row.host_id !== hostId ||
      // Its creation ended without its host's answer: there is nothing to look into, and no one knows that it runs.
      (row.status === "error" && row.started_at === null && state !== "failed") ||
      (row.status === "error" && clock.now() - row.last_updated.getTime() > KEEP_FAILED_MS);
    if (!over) continue;
    released++;
    try {
      const signal = AbortSignal.any([closing, AbortSignal.timeout(DESTROY_MS)]);
      await agent.destroyCapsule(publicId, signal);
      logger.info("capsule.released", { capsule: publicId, host: formatId("host", hostId) });
    } catch (error) {
      if (WrennError.is(error, "host_unavailable")) throw error;
      logger.warn("capsule.release_failed", { capsule: publicId, problem: problemOf(error) });
    }
  }
}
