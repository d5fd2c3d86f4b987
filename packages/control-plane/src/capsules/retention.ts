import { DAY_MS, formatId, problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import { capsuleQueries, retentionQueries } from "@wrenn/database";
import type { CapsuleWithCheckpoints, Database, Expiring, RetentionRules } from "@wrenn/database";
import type { CheckpointFacts } from "@wrenn/protocol";
import type { Fleet } from "../hosts/fleet.ts";
import type { StorageMeter } from "../hosts/storage-meter.ts";

const EVERY_MS = 10 * 60_000;
const HOST_MS = 60_000;
/** Capsules in one look; the rest is looked at in the next parts of it, or at the next look. */
const PART = 100;
/** Nothing is removed until its team has been warned for this long. */
const WARNING_MS = DAY_MS;

/** Keeps everything: teams and operators choose otherwise. */
export const keepAll: RetentionRules = { checkpoints: 0, checkpointDays: 0, pausedDays: 0 };

export interface RetentionDeps {
  readonly database: Database;
  readonly fleet: Fleet;
  readonly meter: Pick<StorageMeter, "expire">;
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
    await this.#expireCapsules();
    let after = "00000000-0000-0000-0000-000000000000";
    for (;;) {
      const part = await retentionQueries.listCapsulesWithCheckpoints(db, this.#rules, after, PART);
      for (const capsule of part) await this.#expireCheckpoints(capsule);
      if (part.length < PART) break;
      after = part.at(-1)?.id ?? after;
    }
    await retentionQueries.pruneWarnings(db);
    this.#deps.logger.debug("retention.looked", {});
  }

  async #expireCapsules(): Promise<void> {
    const { database, clock, logger } = this.#deps;
    const ahead = WARNING_MS / DAY_MS;
    const now = new Date(clock.now());
    const due = await retentionQueries.listExpiringCapsules(database.db, this.#rules, ahead, now, PART);
    for (const expiring of due) {
      const { capsuleId, pausedSince, days, version } = expiring;
      const isWarned = await this.#warn(expiring, pausedSince);
      if (!isWarned || clock.now() - pausedSince.getTime() < days * DAY_MS) continue;
      // Its host removes what is stopped. One that is resumed at this moment keeps running: its version is another.
      const change = {
        status: "stopped",
        hostIp: null,
        version,
        problem: `it was paused for ${days} days`,
      } as const;
      const at = new Date(clock.now());
      if (await capsuleQueries.changeCapsule(database.db, capsuleId, ["paused"], change, at))
        logger.info("capsule.expired", { capsule: formatId("capsule", capsuleId), days });
    }
  }

  async #expireCheckpoints(capsule: CapsuleWithCheckpoints): Promise<void> {
    const { fleet, logger } = this.#deps;
    const publicId = formatId("capsule", capsule.id);
    try {
      const agent = fleet.agent(capsule.hostId);
      const all = await agent.listCheckpoints(publicId, AbortSignal.timeout(HOST_MS));
      const made = all.filter(({ kind }) => kind === "checkpoint");
      for (const { checkpoint, dueAt } of expiringCheckpoints(made, capsule.rules)) {
        if (this.#deps.clock.now() < dueAt - WARNING_MS) continue;
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
    const { database, fleet, meter, logger } = this.#deps;
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
    await database.db.transaction().execute((trx) => retentionQueries.recordExpired(trx, expired));
    logger.info("checkpoint.expired", { capsule, checkpoint });
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
