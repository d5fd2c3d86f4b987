import type { Logger, Random } from "@wrenn/core";
import { GroupedWrites } from "@wrenn/core";
import { auditQueries } from "@wrenn/database";
import type { Actor, AuditRow, Database, Db, NewAuditRow } from "@wrenn/database";
import { actorOf } from "../http/current-identity.ts";
import type { Identity } from "../http/identity.ts";
import type { AuditEntry } from "./audit-entry.ts";
import { RoutineEntries } from "./routine-entries.ts";

/** Says who did what (docs/reference/control-plane.md#audit-log), in the transaction that did it. */
export class AuditLog {
  readonly #random: Random;
  readonly #alone: GroupedWrites<NewAuditRow, undefined>;
  readonly #routine: RoutineEntries;

  constructor(database: Database, random: Random, logger: Logger) {
    this.#random = random;
    this.#routine = new RoutineEntries(
      async (identity, entry) => await this.writeAlone(identity, entry),
      logger,
    );
    this.#alone = new GroupedWrites(async (rows) => {
      // Rows hold their teams as they are written; in one order, as everybody does who holds several.
      await auditQueries.insertAudit(
        database.db,
        rows.toSorted((a, b) => (a.team_id < b.team_id ? -1 : 1)),
      );
      return rows.map(() => undefined);
    });
  }

  async write(db: Db, identity: Identity, entry: AuditEntry): Promise<void> {
    await auditQueries.insertAudit(db, this.#row(identity, entry));
  }

  /** The same for what has no transaction of its own; entries of other requests may share this one's. */
  async writeAlone(identity: Identity, entry: AuditEntry): Promise<void> {
    await this.#alone.write(this.#row(identity, entry));
  }

  /** The same for what happens often: written later, and counted when it is repeated. */
  recordRoutine(identity: Identity, entry: AuditEntry): void {
    this.#routine.record(identity, entry);
  }

  /** Waits for what was handed to {@link recordRoutine} and is not written yet. */
  async settle(): Promise<void> {
    await this.#routine.settle();
  }

  /** Writes everything. */
  async close(): Promise<void> {
    await this.#routine.close();
  }

  #row(identity: Identity, entry: AuditEntry): NewAuditRow {
    return {
      id: this.#random.uuid(),
      team_id: identity.teamId,
      ...columnsOf(actorOf(identity)),
      resource_type: entry.resource,
      resource_id: entry.resourceId ?? null,
      action: entry.action,
      scope: entry.scope ?? "team",
      status: entry.status ?? "success",
      metadata: JSON.stringify(entry.metadata ?? {}),
    };
  }
}

function columnsOf({ type, id, name }: Actor): Pick<AuditRow, "actor_type" | "actor_id" | "actor_name"> {
  return { actor_type: type, actor_id: id ?? null, actor_name: name ?? null };
}

/** Writes down what was done by whom. */
export type RecordAudit = (
  request: { readonly identity: Identity | undefined },
  entry: AuditEntry,
) => Promise<void>;
