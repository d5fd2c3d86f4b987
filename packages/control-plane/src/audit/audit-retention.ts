import { DAY_MS, problemOf } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import { auditQueries } from "@wrenn/database";
import type { Database } from "@wrenn/database";

const EVERY_MS = 5 * 60_000;

/** How much of the audit log is kept (docs/operations/limits.md#the-audit-log). */
export interface AuditLimits {
  readonly days: number;
  /** Of each team, of routine entries and of the others each: a flood of the former displaces none of the latter. */
  readonly entries: number;
}

export const defaultAuditLimits: AuditLimits = { days: 366, entries: 100_000 };

export interface AuditRetentionDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Keeps the audit log from filling the database: what is too old, or too much for a team, is deleted, the oldest first. */
export class AuditRetention {
  readonly #deps: AuditRetentionDeps;
  readonly #limits: AuditLimits;
  readonly #timer: NodeJS.Timeout;

  constructor(deps: AuditRetentionDeps, limits: AuditLimits) {
    this.#deps = deps;
    this.#limits = limits;
    this.#timer = setInterval(() => {
      this.prune().catch((error: unknown) =>
        deps.logger.warn("audit.prune_failed", { problem: problemOf(error) }),
      );
    }, EVERY_MS).unref();
  }

  async prune(): Promise<void> {
    const { database, clock } = this.#deps;
    const { days, entries } = this.#limits;
    await auditQueries.deleteAuditBefore(database.db, new Date(clock.now() - days * DAY_MS));
    await auditQueries.deleteAuditBeyond(database.db, entries);
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
