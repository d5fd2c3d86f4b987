import { ConcurrencyLimit, DAY_MS, formatId, problemOf, WrennError } from "@wrenn/core";
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
/** What all calls of one host may take in one look; the next one goes on where this one stopped. */
const HOST_MS = 60_000;
/** Hosts are looked at all at once; so many of them use the database at a time. */
const DATABASE_PLACES = 4;
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
  readonly fleet: Pick<Fleet, "agent" | "ids">;
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
  /** After which capsule of a host the next look begins, of hosts that one look was not enough for. */
  readonly #stoppedAfter = new Map<string, string>();
  readonly #databasePlaces = new ConcurrencyLimit(DATABASE_PLACES);
  readonly #closing = new AbortController();

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

  /** Waits for a look that is under way; hosts are asked nothing more. */
  async close(): Promise<void> {
    this.#lookedAt = Infinity;
    this.#closing.abort(new WrennError("host_unavailable", {}));
    await this.#looking;
  }

  async #look(): Promise<void> {
    const { db } = this.#deps.database;
    const rules = this.#rules;
    await this.#expireCapsules();
    // A host that does not answer holds up no other.
    await Promise.all(this.#deps.fleet.ids().map((hostId) => this.#lookAt(hostId)));
    await retentionQueries.pruneWarnings(db, rules, this.#dueWithin());
    this.#deps.logger.debug("retention.looked", {});
  }

  async #expireCapsules(): Promise<void> {
    const { db } = this.#deps.database;
    let after = FIRST;
    for (;;) {
      const due = this.#dueWithin();
      const part = await retentionQueries.listExpiringCapsules(db, this.#rules, due, after, PART);
      for (const expiring of part) {
        await this.#expireCapsule(expiring);
        after = expiring.capsuleId;
      }
      if (part.length < PART) return;
    }
  }

  /** Looks at the checkpoints of a host. */
  async #lookAt(hostId: string): Promise<void> {
    const { database, logger } = this.#deps;
    const asking = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(HOST_MS)]);
    let after = this.#stoppedAfter.get(hostId) ?? FIRST;
    this.#stoppedAfter.delete(hostId);
    try {
      for (;;) {
        const part = await this.#databasePlaces.run(() =>
          retentionQueries.listCapsulesWithCheckpoints(database.db, this.#rules, hostId, after, PART),
        );
        for (const capsule of part) {
          await this.#expireCheckpoints(capsule, asking);
          after = capsule.id;
          if (asking.aborted) {
            this.#stoppedAfter.set(hostId, after);
            return;
          }
        }
        if (part.length < PART) return;
      }
    } catch (error) {
      logger.warn("retention.failed", { host: hostId, problem: problemOf(error) });
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

  async #expireCheckpoints(capsule: CapsuleWithCheckpoints, asking: AbortSignal): Promise<void> {
    const { fleet, logger } = this.#deps;
    const publicId = formatId("capsule", capsule.id);
    try {
      const agent = fleet.agent(capsule.hostId);
      const all = await agent.listCheckpoints(publicId, asking);
      const made = all.filter(({ kind }) => kind === "checkpoint");
      const now = this.#deps.clock.now();
      const due = expiringCheckpoints(made, capsule.rules).filter(({ dueAt }) => now >= dueAt - WARNING_MS);
      const notDue = made.filter((one) => !due.some(({ checkpoint }) => checkpoint === one));
      await this.#databasePlaces.run(() =>
        retentionQueries.withdrawCheckpointWarnings(
          this.#deps.database.db,
          capsule.id,
          notDue.map(({ id }) => id),
        ),
      );
      for (const { checkpoint, dueAt } of due) {
        const expiring = { capsuleId: capsule.id, teamId: capsule.teamId, checkpoint: checkpoint.id };
        const isWarned = await this.#warn(expiring, new Date(checkpoint.createdAt));
        if (isWarned && this.#deps.clock.now() >= dueAt) await this.#remove(expiring, capsule.hostId, asking);
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
    const warnedAt = await this.#databasePlaces.run(() =>
      database.db.transaction().execute((trx) => retentionQueries.warnOfExpiry(trx, expiring, since, now)),
    );
    return now.getTime() - warnedAt.getTime() >= WARNING_MS;
  }

  async #remove(
    expired: Expiring & { readonly checkpoint: string },
    hostId: string,
    asking: AbortSignal,
  ): Promise<void> {
    const { database, fleet, meter, audit, logger } = this.#deps;
    const capsule = formatId("capsule", expired.capsuleId);
    const { checkpoint } = expired;
    try {
      await fleet.agent(hostId).deleteCheckpoint(capsule, checkpoint, asking);
    } catch (error) {
      // The moment that a paused capsule resumes from is kept.
      if (WrennError.is(error, "checkpoint_in_use")) return;
      if (!WrennError.is(error, "checkpoint_not_found")) throw error;
    }
    meter.expire(hostId);
    const isRecorded = await this.#databasePlaces.run(() =>
      database.db.transaction().execute(async (trx) => {
        if (!(await retentionQueries.recordExpired(trx, expired))) return false;
        const entry = { resource: "sandbox", resourceId: capsule, action: "checkpoint_delete" } as const;
        const metadata = { checkpoint, reason: "the rule for checkpoints" };
        await audit.write(trx, { teamId: expired.teamId }, { ...entry, metadata });
        return true;
      }),
    );
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
