import { GroupedWrites, WrennError } from "@wrenn/core";
import type { Clock, Random } from "@wrenn/core";
import { capsuleListQueries, capsuleQueries, idempotencyQueries, quotaQueries } from "@wrenn/database";
import type { Actor, CapsuleRow, Database, EarlierCreate, NewCapsule, TeamUse, Trx } from "@wrenn/database";
import { currentActor } from "../http/current-identity.ts";
import type { Fleet } from "../hosts/fleet.ts";
import { placeCapsules } from "../hosts/placement.ts";
import type { CapacityPolicy } from "../hosts/placement.ts";
import { exceeded } from "../teams/quotas.ts";
import type { Operations } from "./operations.ts";
import type { UnansweredCreates } from "./unanswered-creates.ts";

/** Makes a create repeatable: the same key and request give the same capsule. */
export interface IdempotencyKey {
  readonly key: string;
  /** Of the request. */
  readonly fingerprint: string;
}

export interface ReservationRequest {
  readonly capsule: Omit<NewCapsule, "id" | "hostId">;
  /** The only host that has what it starts from. */
  readonly onlyHost: string | undefined;
  /** Hosts that have its template, where not all have it. */
  readonly holders: readonly string[] | undefined;
  readonly idempotencyKey: IdempotencyKey | undefined;
}

/** A capsule with its row, its place on a host, and the operation that is to create it. */
export interface Reservation {
  readonly id: string;
  readonly hostId: string;
  readonly operationId: string;
  /** Its row as it was written. */
  readonly row: CapsuleRow;
}

type ReservationResult = Reservation | { readonly earlier: EarlierCreate };

/** Another request of the same transaction has this idempotency key: what it creates can be read after the commit. */
const RETRY = Symbol("retry");

type GroupResult = ReservationResult | typeof RETRY;

interface GroupedRequest extends ReservationRequest {
  readonly actor: Actor | undefined;
}

/** A request that the quota of its team admits. */
interface AdmittedRequest extends GroupedRequest {
  /** Index in the group. */
  readonly index: number;
}

export interface ReservationsDeps {
  readonly database: Database;
  readonly fleet: Fleet;
  readonly capacity: CapacityPolicy;
  readonly operations: Operations;
  readonly unanswered: UnansweredCreates;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Reserves places for capsules within the quota of their team and the capacity of a host: row and operation are written in the
 * transaction that found the room. Requests that arrive together share it.
 */
export class Reservations {
  readonly #deps: ReservationsDeps;
  readonly #groups: GroupedWrites<GroupedRequest, GroupResult>;

  constructor(deps: ReservationsDeps) {
    this.#deps = deps;
    this.#groups = new GroupedWrites(
      async (requests) =>
        await deps.database.db.transaction().execute(async (trx) => await this.#reserve(trx, requests)),
    );
  }

  /** @throws WrennError `capsule_name_taken`, `quota_exceeded`, `host_full`, `no_hosts`. */
  async reserve(request: ReservationRequest): Promise<ReservationResult> {
    const grouped = { ...request, actor: currentActor() };
    for (;;) {
      const result = await this.#groups.write(grouped);
      if (result !== RETRY) return result;
    }
  }

  async #reserve(trx: Trx, requests: readonly GroupedRequest[]): Promise<(GroupResult | Error)[]> {
    const results = new Map<number, GroupResult | Error>();
    const admitted: AdmittedRequest[] = [];
    const byTeam = Map.groupBy(requests.entries(), ([, { capsule }]) => capsule.teamId);
    // Every transaction locks teams in the same order, so that two groups never wait for each other.
    for (const [teamId, entries] of [...byTeam].sort(([a], [b]) => (a < b ? -1 : 1))) {
      let use = await quotaQueries.lockTeamUse(trx, teamId);
      const keys = new Set<string>();
      const names = entries.flatMap(([, { capsule }]) => capsule.name ?? []);
      const taken = new Set(await capsuleListQueries.findTakenNames(trx, teamId, names));
      for (const [index, request] of entries) {
        const { capsule, idempotencyKey: key } = request;
        // Read again with the team locked: of two requests with one key the second waits here for the first.
        const earlier = key && (await idempotencyQueries.findIdempotencyKey(trx, teamId, key.key));
        const problem = exceeded(use, { capsules: 1, ...capsule });
        // What another request has this key for is a conflict, even when its capsule is over.
        const isRepeated = earlier && (!earlier.is_over || earlier.fingerprint !== key?.fingerprint);
        if (isRepeated) results.set(index, { earlier });
        else if (key && keys.has(key.key)) results.set(index, RETRY);
        else if (capsule.name !== undefined && taken.has(capsule.name))
          results.set(index, new WrennError("capsule_name_taken", { name: capsule.name }));
        else if (problem) results.set(index, problem);
        else {
          if (capsule.name !== undefined) taken.add(capsule.name);
          use = withOneMore(use, capsule);
          if (key) keys.add(key.key);
          admitted.push({ ...request, index });
        }
      }
    }
    await this.#write(trx, admitted, results);
    return requests.map((_request, index) => results.get(index) ?? new Error("a request has no result"));
  }

  async #write(
    trx: Trx,
    admitted: readonly AdmittedRequest[],
    results: Map<number, GroupResult | Error>,
  ): Promise<void> {
    const { fleet, capacity, operations, unanswered, random, clock } = this.#deps;
    const wanted = admitted.map(({ capsule, onlyHost, holders }) => ({ ...capsule, onlyHost, holders }));
    const places = await placeCapsules(trx, fleet, capacity, wanted);
    const rows: (NewCapsule & AdmittedRequest)[] = [];
    for (const [at, one] of admitted.entries()) {
      const place = places[at];
      if (typeof place === "string") rows.push({ ...one, ...one.capsule, id: random.uuid(), hostId: place });
      else if (place) results.set(one.index, place);
    }
    if (rows.length === 0) return;
    const inserted = new Map((await capsuleQueries.insertCapsules(trx, rows)).map((row) => [row.id, row]));
    await unanswered.insert(
      trx,
      rows.map(({ id }) => id),
    );
    const keys = rows.flatMap(({ id, teamId, idempotencyKey }) =>
      idempotencyKey ? [{ teamId, capsuleId: id, ...idempotencyKey }] : [],
    );
    if (keys.length > 0) await idempotencyQueries.putIdempotencyKeys(trx, keys, new Date(clock.now()));
    const begun = rows.map(({ id, actor }) => ({ capsuleId: id, actor }));
    const ids = await operations.beginAll(trx, begun, "create");
    for (const [at, { id, hostId, index }] of rows.entries()) {
      const row = inserted.get(id);
      if (row) results.set(index, { id, hostId, operationId: ids[at] ?? "", row });
    }
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
