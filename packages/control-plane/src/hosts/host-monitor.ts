import { formatId, problemOf } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import { capsuleQueries, controlPlaneQueries, hostQueries, operationQueries } from "@wrenn/database";
import type { Database, HostRow } from "@wrenn/database";
import type { HostAgent } from "@wrenn/protocol";
import type { Fleet } from "./fleet.ts";
import { reconcileHost } from "./reconcile-host.ts";

/** The host in this process. */
export interface LocalHost {
  /** UUID that it keeps for as long as its data directory. */
  readonly id: string;
  readonly agent: HostAgent;
}

/** Opens the link to an agent on another machine. It is used until `close` is called. */
export type ConnectHost = (host: {
  readonly id: string;
  readonly address: string;
}) => HostAgent & { close(): void };

export interface MonitorTimes {
  /** Between two looks at the hosts, ms. */
  readonly everyMs: number;
  /** A host whose last sign of life is older is unreachable, ms. */
  readonly silentMs: number;
  /** A control plane whose last sign of life is older works on nothing any more, ms. */
  readonly leaseMs: number;
  /** For one host to answer, ms. */
  readonly answerMs: number;
}

export const defaultTimes: MonitorTimes = {
  everyMs: 5000,
  silentMs: 30_000,
  leaseMs: 20_000,
  answerMs: 10_000,
};

export interface HostMonitorOptions {
  readonly database: Database;
  readonly fleet: Fleet;
  readonly clock: Clock;
  readonly logger: Logger;
  /** UUID of this control plane, the same after a restart. */
  readonly instanceId: string;
  readonly localHost?: LocalHost | undefined;
  readonly connectHost?: ConnectHost | undefined;
  readonly times: MonitorTimes;
  /** What this control plane is carrying out. */
  readonly operations: { sweep(): Promise<void> };
  /** Called when hosts become unreachable, and when they are back. */
  readonly onTurn?: ((host: HostRow, turn: "down" | "up") => Promise<void>) | undefined;
}

/**
 * Watches the hosts: says that this control plane lives, opens and closes links, notices silent hosts, and has the rows of the
 * others compared with what they hold. Any number of control planes do so at once; what they conclude is written only where
 * nobody else was quicker.
 */
export class HostMonitor {
  readonly #options: HostMonitorOptions;
  readonly #closing = new AbortController();
  readonly #addresses = new Map<string, string>();
  readonly #reconciling = new Map<string, Promise<void>>();
  #loop: Promise<void> = Promise.resolve();

  constructor(options: HostMonitorOptions) {
    this.#options = options;
  }

  /**
   * Takes over what an earlier process with this instance id left, and begins to watch. When it resolves, the rows of the local
   * host's capsules are right.
   */
  async start(): Promise<void> {
    const { database, fleet, localHost, instanceId } = this.#options;
    await controlPlaneQueries.touchControlPlane(database.db, instanceId);
    await operationQueries.failOrphanedOperations(
      database.db,
      "the server was restarted",
      this.#now(),
      instanceId,
    );
    if (localHost) {
      const facts = await localHost.agent.facts(AbortSignal.timeout(this.#options.times.answerMs));
      const size = {
        arch: facts.architecture,
        cpuCores: facts.cpuCores,
        memoryMib: facts.memoryMib,
        diskGb: facts.diskGb,
      };
      await hostQueries.putLocalHost(database.db, localHost.id, size);
      fleet.add(localHost.id, localHost.agent);
      await this.reconcile(localHost.id);
    }
    await this.#look();
    this.#loop = this.#watch();
  }

  /** Compares the rows of a host's capsules with what it holds; while that is being done nobody else begins it. */
  async reconcile(hostId: string): Promise<void> {
    const known = this.#reconciling.get(hostId);
    if (known) return await known;
    const { fleet, times } = this.#options;
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(times.answerMs)]);
    const work = reconcileHost(hostId, fleet.agent(hostId), this.#options, signal).finally(() =>
      this.#reconciling.delete(hostId),
    );
    this.#reconciling.set(hostId, work);
    await work;
  }

  /** A host gave a sign of life. @returns whether there is such a host. */
  async heard(hostId: string): Promise<boolean> {
    const { database, onTurn } = this.#options;
    const before = await hostQueries.touchHost(database.db, hostId);
    if (before === undefined) return false;
    if (before === "unreachable" || before === "offline") {
      const host = (await hostQueries.listHosts(database.db)).find(({ id }) => id === hostId);
      if (host) await onTurn?.(host, "up");
      // It may have been given up by its link, too.
      this.#background(this.#look());
    }
    return true;
  }

  async close(): Promise<void> {
    const { database, fleet, localHost, instanceId, logger } = this.#options;
    this.#closing.abort(new Error("the control plane is closing"));
    await this.#loop;
    await Promise.allSettled(this.#reconciling.values());
    fleet.close();
    try {
      if (localHost)
        await hostQueries.changeHostStatus(database.db, localHost.id, ["online", "draining"], "unreachable");
      await controlPlaneQueries.deleteControlPlane(database.db, instanceId);
    } catch (error) {
      // The lease runs out by itself.
      logger.warn("host.farewell_failed", { problem: problemOf(error) });
    }
  }

  async #watch(): Promise<void> {
    const { clock, logger, times } = this.#options;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        await clock.sleep(times.everyMs, signal);
        await this.#look();
      } catch (error) {
        // A database that is away comes back; meanwhile nothing is concluded.
        if (!signal.aborted) logger.warn("host.watch_failed", { problem: problemOf(error) });
      }
    }
  }

  async #look(): Promise<void> {
    const { database, fleet, localHost, instanceId, times, logger, operations, onTurn } = this.#options;
    await controlPlaneQueries.touchControlPlane(database.db, instanceId);
    if (localHost) await hostQueries.touchHost(database.db, localHost.id);
    await controlPlaneQueries.deleteSilentControlPlanes(database.db, times.leaseMs);
    await operationQueries.failOrphanedOperations(
      database.db,
      "the control plane that did it ended",
      this.#now(),
    );
    await operations.sweep();
    for (const host of await hostQueries.markSilentHosts(database.db, times.silentMs)) {
      logger.warn("host.unreachable", { host: formatId("host", host.id) });
      await capsuleQueries.markMissing(database.db, host.id, this.#now());
      await onTurn?.(host, "down");
    }
    this.#connect(await hostQueries.listHosts(database.db));
    for (const hostId of fleet.ids())
      this.#background(
        this.reconcile(hostId).catch((error: unknown) =>
          logger.debug("host.no_answer", { host: formatId("host", hostId), problem: problemOf(error) }),
        ),
      );
  }

  /** Opens links to hosts that are new or moved, and closes those to hosts that are gone. */
  #connect(hosts: readonly HostRow[]): void {
    const { fleet, connectHost, localHost } = this.#options;
    if (!connectHost) return;
    const present = new Map<string, string>();
    for (const { id, address, status } of hosts)
      if (address !== null && status !== "pending" && id !== localHost?.id) present.set(id, address);
    for (const [id, address] of this.#addresses) {
      if (present.get(id) === address) continue;
      fleet.remove(id);
      this.#addresses.delete(id);
    }
    for (const [id, address] of present) {
      if (this.#addresses.has(id)) continue;
      const agent = connectHost({ id, address });
      fleet.add(id, agent, () => agent.close());
      this.#addresses.set(id, address);
    }
  }

  #background(work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (!this.#closing.signal.aborted)
        this.#options.logger.warn("host.watch_failed", { problem: problemOf(error) });
    });
  }

  #now(): Date {
    return new Date(this.#options.clock.now());
  }
}
