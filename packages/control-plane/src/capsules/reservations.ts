import type { Random } from "@wrenn/core";
import { capsuleQueries, idempotencyQueries, quotaQueries } from "@wrenn/database";
import type { Actor, Database, NewCapsule, CapsuleRow, StartedCapsule, TeamUse } from "@wrenn/database";
import { presentActor } from "../http/acting.ts";
import type { Fleet } from "../hosts/fleet.ts";
import { placeCapsules } from "../hosts/placement.ts";
import type { CapacityPolicy } from "../hosts/placement.ts";
import { GroupedWrites } from "@wrenn/core";
import type { Operations } from "../capsules/operations.ts";
import { exceeded } from "../teams/quotas.ts";

type Transaction = Parameters<typeof quotaQueries.lockTeamUse>[0];

/** Makes a create repeatable: the same key and request give the same capsule. */
export interface Once {
  readonly key: string;
  /** Of the request. */
  readonly fingerprint: string;
}

/** A capsule that is wanted. */
export interface Wish {
  readonly capsule: Omit<NewCapsule, "id" | "hostId">;
  /** The only host that will do. */
  readonly onlyHost: string | undefined;
  readonly once: Once | undefined;
}

/** What the first request with a key made. */
export interface MadeBefore {
  readonly fingerprint: string;
  readonly sandbox_id: string;
}

export interface Reservation {
  readonly id: string;
  readonly hostId: string;
  readonly operationId: string;
}

export interface ReservationsOptions {
  readonly database: Database;
  readonly fleet: Fleet;
  readonly capacity: CapacityPolicy;
  readonly operations: Operations;
  readonly random: Random;
  readonly now: () => Date;
}

/** The same key was asked with a moment ago, in the same transaction: what that made is there at its commit. */
const AGAIN = Symbol("ask again");

type Answer = Reservation | { readonly before: MadeBefore };

interface Asked extends Wish {
  readonly actor: Actor | undefined;
}

/** One that can be made as far as its team is concerned. */
interface Granted extends Asked {
  readonly at: number;
}

/**
 * Places for capsules within the quota of their team and the room of a host: row and operation are written in the transaction
 * that found the room. Requests that come together share it.
 */
export class Reservations {
  readonly #options: ReservationsOptions;
  readonly #reserved: GroupedWrites<Asked, Answer | typeof AGAIN>;
  readonly #started: GroupedWrites<StartedCapsule, CapsuleRow | undefined>;

  constructor(options: ReservationsOptions) {
    const { database, now } = options;
    this.#options = options;
    this.#reserved = new GroupedWrites(
      async (asked) =>
        await database.db.transaction().execute(async (trx) => await this.#reserve(trx, asked)),
    );
    this.#started = new GroupedWrites(async (started) => {
      const rows = new Map(
        (await capsuleQueries.startCapsules(database.db, started, now())).map((row) => [row.id, row]),
      );
      return started.map(({ id }) => rows.get(id));
    });
  }

  /** @throws WrennError `quota_exceeded`, `host_full`, `no_hosts`. */
  async reserve(wish: Wish): Promise<Answer> {
    const asked = { ...wish, actor: presentActor() };
    for (;;) {
      const answer = await this.#reserved.write(asked);
      if (answer !== AGAIN) return answer;
    }
  }

  /** Says that a capsule runs, and ends its operation; undefined when its row is gone. */
  async started(capsule: StartedCapsule): Promise<CapsuleRow | undefined> {
    return await this.#started.write(capsule);
  }

  async #reserve(trx: Transaction, asked: readonly Asked[]): Promise<(Answer | typeof AGAIN | Error)[]> {
    const answers = new Map<number, Answer | typeof AGAIN | Error>();
    const granted: Granted[] = [];
    const byTeam = Map.groupBy(asked.entries(), ([, { capsule }]) => capsule.teamId);
    // In one order everywhere, so that two groups never wait for each other.
    for (const [teamId, entries] of [...byTeam].sort(([a], [b]) => (a < b ? -1 : 1))) {
      let use = await quotaQueries.lockTeamUse(trx, teamId);
      const keys = new Set<string>();
      for (const [at, one] of entries) {
        // Asked again with the team locked: of two requests with one key the second waits here for the first.
        const before = one.once && (await idempotencyQueries.findIdempotencyKey(trx, teamId, one.once.key));
        const problem = exceeded(use, { capsules: 1, ...one.capsule });
        if (before) answers.set(at, { before });
        else if (one.once && keys.has(one.once.key)) answers.set(at, AGAIN);
        else if (problem) answers.set(at, problem);
        else {
          use = withOneMore(use, one.capsule);
          if (one.once) keys.add(one.once.key);
          granted.push({ ...one, at });
        }
      }
    }
    await this.#write(trx, granted, answers);
    return asked.map((_one, at) => answers.get(at) ?? new Error("a request was lost in its group"));
  }

  async #write(
    trx: Transaction,
    granted: readonly Granted[],
    answers: Map<number, Answer | typeof AGAIN | Error>,
  ): Promise<void> {
    const { fleet, capacity, operations, random } = this.#options;
    const wanted = granted.map(({ capsule, onlyHost }) => ({ ...capsule, onlyHost }));
    const places = await placeCapsules(trx, fleet, capacity, wanted);
    const rows: (NewCapsule & Granted)[] = [];
    for (const [index, one] of granted.entries()) {
      const place = places[index];
      if (typeof place === "string") rows.push({ ...one, ...one.capsule, id: random.uuid(), hostId: place });
      else if (place) answers.set(one.at, place);
    }
    if (rows.length === 0) return;
    await capsuleQueries.insertCapsules(trx, rows);
    const keys = rows.flatMap(({ id, teamId, once }) => (once ? [{ teamId, capsuleId: id, ...once }] : []));
    if (keys.length > 0) await idempotencyQueries.insertIdempotencyKeys(trx, keys);
    const begun = rows.map(({ id, actor }) => ({ capsuleId: id, actor }));
    const ids = await operations.beginAll(trx, begun, "create");
    for (const [index, { id, hostId, at }] of rows.entries())
      answers.set(at, { id, hostId, operationId: ids[index] ?? "" });
  }
}

function withOneMore(
  use: TeamUse,
  { vcpus, memoryMib }: { readonly vcpus: number; readonly memoryMib: number },
): TeamUse {
  return {
    ...use,
    capsules: use.capsules + 1,
    vcpus: use.vcpus + vcpus,
    memoryMib: use.memoryMib + memoryMib,
  };
}
