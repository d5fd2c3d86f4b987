import { formatId, parseId, problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import { storageQueries } from "@wrenn/database";
import type { Database, ReportedStorage } from "@wrenn/database";
import type { HostStorage } from "@wrenn/protocol";
import type { Fleet } from "./fleet.ts";

/** What guests write by themselves is known after this. */
const EVERY_MS = 15_000;
/** A refresh that is asked for uses a measurement that is no older. */
const FRESH_MS = 1000;
const ANSWER_MS = 10_000;

export interface StorageMeterDeps {
  readonly database: Database;
  readonly fleet: Fleet;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Measurement {
  readonly startedAt: number;
  readonly done: Promise<void>;
}

/** Records what the capsules of each host occupy on its disk: teams have a quota of it. */
export class StorageMeter {
  readonly #deps: StorageMeterDeps;
  /** The last measurement of each host, which may be under way. */
  readonly #measurements = new Map<string, Measurement>();
  /** Hosts whose last measurement failed. */
  readonly #silent = new Set<string>();

  constructor(deps: StorageMeterDeps) {
    this.#deps = deps;
  }

  /** Begins to measure each host whose last measurement is old. Called periodically. */
  async sweep(): Promise<void> {
    for (const hostId of this.#deps.fleet.ids()) void this.#measureOnce(hostId, EVERY_MS);
  }

  /** Measures hosts whose last measurement is older than a second. A host that does not answer keeps its last one. */
  async refresh(hostIds: readonly string[]): Promise<void> {
    await Promise.all(hostIds.map((hostId) => this.#measureOnce(hostId, FRESH_MS)));
  }

  /** Something was deleted on a host: its last measurement, also one that is under way, no longer counts as fresh. */
  expire(hostId: string): void {
    this.#measurements.delete(hostId);
  }

  async #measureOnce(hostId: string, mostAgeMs: number): Promise<void> {
    const now = this.#deps.clock.monotonic();
    const last = this.#measurements.get(hostId);
    if (last && now - last.startedAt < mostAgeMs) return await last.done;
    const done = this.#measure(hostId);
    this.#measurements.set(hostId, { startedAt: now, done });
    await done;
  }

  async #measure(hostId: string): Promise<void> {
    const { database, fleet, clock, logger } = this.#deps;
    const since = new Date(clock.now());
    try {
      const storage = await fleet.agent(hostId).storage(AbortSignal.timeout(ANSWER_MS));
      const ids = storage.capsules.map(({ id }) => parseId("capsule", id));
      const teams = await storageQueries.findTeamsOfCapsules(database.db, ids);
      await storageQueries.recordStorage(database.db, hostId, shareOut(storage, teams), since);
      this.#silent.delete(hostId);
    } catch (error) {
      // While a host's numbers are old, quotas go by them: said once. A host of an earlier release does not know the question.
      const isNews = !this.#silent.has(hostId) && !WrennError.is(error, "route_not_found");
      this.#silent.add(hostId);
      const facts = { host: formatId("host", hostId), problem: problemOf(error) };
      if (isNews) logger.warn("host.storage_unknown", facts);
      else logger.debug("host.storage_unknown", facts);
    }
  }
}

/**
 * Gives each disk layer to one capsule of each team that needs it, so that a team pays once for what its capsules share.
 *
 * @param teams - team of each capsule, by its UUID.
 */
export function shareOut(
  { capsules, layers }: HostStorage,
  teams: ReadonlyMap<string, string>,
): readonly ReportedStorage[] {
  const sizes = new Map(layers.map(({ id, bytes }) => [id, bytes]));
  const counted = new Set<string>();
  // In one order, so that a layer does not move from capsule to capsule between reports.
  const sorted = capsules.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  return sorted.map(({ id: publicId, bytes, checkpoints, layers: needed }) => {
    const id = parseId("capsule", publicId);
    let total = bytes;
    for (const layer of needed) {
      const key = `${teams.get(id) ?? ""}/${layer}`;
      if (!counted.has(key)) total += sizes.get(layer) ?? 0;
      counted.add(key);
    }
    return { id, bytes: total, checkpoints };
  });
}
