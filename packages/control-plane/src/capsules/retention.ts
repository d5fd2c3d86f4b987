import { DAY_MS, formatId, problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import { capsuleQueries, retentionQueries } from "@wrenn/database";
import type {
  CapsuleWithCheckpoints,
  Database,
  DueWithin,
  Expiring,
  ExpiringCapsule,
  RetentionRules,
} from "@wrenn/database";
import type { CheckpointFacts } from "@wrenn/protocol";
import type { AuditLog } from "../audit/audit.ts";
import type { Fleet } from "../hosts/fleet.ts";
import type { StorageMeter } from "../hosts/storage-meter.ts";

const EVERY_MS = 10 * 60_000;
const HOST_MS = 60_000;
/** Capsules that are read from the database at a time. */
const PART = 100;
/** Comes before the id of every capsule. */
const FIRST = "00000000-0000-0000-0000-000000000000";
/** Nothing is removed until its team has been warned for this long. */
const WARNING_MS = DAY_MS;

/** Keeps everything: teams and operators choose otherwise. */
export const keepAll: RetentionRules = { checkpoints: 0, checkpointDays: 0, pausedDays: 0 };

export interface RetentionDeps {
  readonly database: Database;
  readonly fleet: Fleet;
  readonly meter: Pick<StorageMeter, "expire">;
  readonly audit: Pick<AuditLog, "write">;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Removes checkpoints and paused capsules that are older than the rules of their team, or of this installation. An event warns of
 * each a day before. Any number of control planes do so at once: warnings and removals are written only where no other was first.
 */
export class Retention {
  readonly #deps: RetentionDeps;
  readonly #rules: RetentionRules;
  #lookedAt = -Infinity;
  #looking: Promise<void> | undefined;

  constructor(deps: RetentionDeps, rules: RetentionRules) {
    this.#deps = deps;
    this.#rules = rules;
  }

  /** Begins to look at everything, when the last time is long enough ago. Called periodically. */
  async sweep(): Promise<void> {
    const now = this.#deps.clock.monotonic();
    if (this.#looking || now - this.#lookedAt < EVERY_MS) return;
    this.#lookedAt = now;
    this.#looking = this.#look()
      .catch((error: unknown) => {
        this.#deps.logger.warn("retention.failed", { problem: problemOf(error) });
      })
      .finally(() => (this.#looking = undefined));
  }

  /** Waits for a look that is under way. */
  async close(): Promise<void> {
    this.#lookedAt = Infinity;
    await this.#looking;
  }

  async #look(): Promise<void> {
    const { db } = this.#deps.database;
    const rules = this.#rules;
    await this.#inParts(
      (after) => retentionQueries.listExpiringCapsules(db, rules, this.#dueWithin(), after, PART),
      (expiring) => this.#expireCapsule(expiring),
      (expiring) => expiring.capsuleId,
    );
    await this.#inParts(
      (after) => retentionQueries.listCapsulesWithCheckpoints(db, rules, after, PART),
      (capsule) => this.#expireCheckpoints(capsule),
      (capsule) => capsule.id,
    );
    await retentionQueries.pruneWarnings(db, rules, this.#dueWithin());
    this.#deps.logger.debug("retention.looked", {});
  }

  async #inParts<T>(
    read: (after: string) => Promise<readonly T[]>,
    work: (one: T) => Promise<void>,
    idOf: (one: T) => string,
  ): Promise<void> {
    let after = FIRST;
    for (;;) {
      const part = await read(after);
      for (const one of part) await work(one);
      const last = part.at(-1);
      if (last === undefined || part.length < PART) return;
      after = idOf(last);
    }
  }

  #dueWithin(): DueWithin {
    return { aheadDays: WARNING_MS / DAY_MS, now: new Date(this.#deps.clock.now()) };
  }

  async #expireCapsule(expiring: ExpiringCapsule): Promise<void> {
    const { database, audit, clock, logger } = this.#deps;
    const { capsuleId, teamId, pausedSince, days, version } = expiring;
    const isWarned = await this.#warn(expiring, pausedSince);
    if (!isWarned || clock.now() - pausedSince.getTime() < days * DAY_MS) return;
    // Its host removes what is stopped. One that is resumed at this moment keeps running: its version is another.
    const reason = `it was paused for ${days} days`;
    const change = { status: "stopped", hostIp: null, version, problem: reason } as const;
    const capsule = formatId("capsule", capsuleId);
    const isExpired = await database.db.transaction().execute(async (trx) => {
      const at = new Date(clock.now());
      if (!(await capsuleQueries.changeCapsule(trx, capsuleId, ["paused"], change, at))) return false;
      const entry = {
        resource: "sandbox",
        resourceId: capsule,
        action: "destroy",
        metadata: { reason },
      } as const;
      await audit.write(trx, { teamId }, { ...entry, status: "warning" });
      return true;
    });
    if (isExpired) logger.info("capsule.expired", { capsule, days });
  }

  async #expireCheckpoints(capsule: CapsuleWithCheckpoints): Promise<void> {
    const { fleet, logger } = this.#deps;
    const publicId = formatId("capsule", capsule.id);
    try {
      const agent = fleet.agent(capsule.hostId);
      const all = await agent.listCheckpoints(publicId, AbortSignal.timeout(HOST_MS));
      const made = all.filter(({ kind }) => kind === "checkpoint");
      const now = this.#deps.clock.now();
      const due = expiringCheckpoints(made, capsule.rules).filter(({ dueAt }) => now >= dueAt - WARNING_MS);
      const notDue = made.filter((one) => !due.some(({ checkpoint }) => checkpoint === one));
      await retentionQueries.withdrawCheckpointWarnings(
        this.#deps.database.db,
        capsule.id,
        notDue.map(({ id }) => id),
      );
      for (const { checkpoint, dueAt } of due) {
        const expiring = { capsuleId: capsule.id, teamId: capsule.teamId, checkpoint: checkpoint.id };
        const isWarned = await this.#warn(expiring, new Date(checkpoint.createdAt));
        if (isWarned && this.#deps.clock.now() >= dueAt) await this.#remove(expiring, capsule.hostId);
      }
    } catch (error) {
      // A host that does not answer is asked at the next look.
      logger.debug("retention.postponed", { capsule: publicId, problem: problemOf(error) });
    }
  }

  /** @returns whether the team has been warned for long enough. */
  async #warn(expiring: Expiring, since: Date): Promise<boolean> {
    const { database, clock } = this.#deps;
    const now = new Date(clock.now());
    const warnedAt = await database.db
      .transaction()
      .execute((trx) => retentionQueries.warnOfExpiry(trx, expiring, since, now));
    return now.getTime() - warnedAt.getTime() >= WARNING_MS;
  }

  async #remove(expired: Expiring & { readonly checkpoint: string }, hostId: string): Promise<void> {
    const { database, fleet, meter, audit, logger } = this.#deps;
    const capsule = formatId("capsule", expired.capsuleId);
    const { checkpoint } = expired;
    try {
      await fleet.agent(hostId).deleteCheckpoint(capsule, checkpoint, AbortSignal.timeout(HOST_MS));
    } catch (error) {
      // The moment that a paused capsule resumes from is kept.
      if (WrennError.is(error, "checkpoint_in_use")) return;
      if (!WrennError.is(error, "checkpoint_not_found")) throw error;
    }
    meter.expire(hostId);
    const isRecorded = await database.db.transaction().execute(async (trx) => {
      if (!(await retentionQueries.recordExpired(trx, expired))) return false;
      const entry = { resource: "sandbox", resourceId: capsule, action: "checkpoint_delete" } as const;
      const metadata = { checkpoint, reason: "the rule for checkpoints" };
      await audit.write(trx, { teamId: expired.teamId }, { ...entry, metadata });
      return true;
    });
    if (isRecorded) logger.info("checkpoint.expired", { capsule, checkpoint });
  }
}

/** Checkpoints that rules remove, with when they may be removed at the earliest, in milliseconds since the Unix epoch. */
function expiringCheckpoints(
  newestFirst: readonly CheckpointFacts[],
  { checkpoints: most, checkpointDays: days }: CapsuleWithCheckpoints["rules"],
): readonly { readonly checkpoint: CheckpointFacts; readonly dueAt: number }[] {
  return newestFirst.flatMap((checkpoint, place) => {
    const byCount = most > 0 && place >= most ? 0 : Infinity;
    const byAge = days > 0 ? checkpoint.createdAt + days * DAY_MS : Infinity;
    const dueAt = Math.min(byCount, byAge);
    return dueAt === Infinity ? [] : [{ checkpoint, dueAt }];
  });
}
