import { formatId, problemOf } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import { capsuleQueries, controlPlaneQueries, hostQueries, operationQueries } from "@wrenn/database";
import type { Database, HostRow } from "@wrenn/database";
import type { HostAgent } from "@wrenn/protocol";
import type { AuditLog } from "../audit/audit.ts";
import { PLATFORM_TEAM } from "../http/identity.ts";
import type { Fleet } from "./fleet.ts";
import type { HostAddresses } from "./host-addresses.ts";
import type { HostEnrolment } from "./host-enrolment.ts";
import type { ReportLimits } from "./report-limits.ts";
import { reconcileHost } from "./reconcile-host.ts";

/** The host in this process. */
export interface LocalHost {
  /** UUID that it keeps for as long as its data directory. */
  readonly id: string;
  /** Where it is still taking over its capsules, the control plane waits for it when all else is ready. The caller handles its rejection, too. */
  readonly agent: HostAgent | Promise<HostAgent>;
}

/** Opens the link to an agent on another machine. It is used until `close` is called. */
export type ConnectHost = (host: {
  readonly id: string;
  readonly address: string;
  /** Whether connections may be made to an IP address that the host's is or stands for. */
  readonly permits: (address: string) => boolean;
  /** Whether the host may show the certificate with this fingerprint. */
  readonly accepts: (fingerprint: string) => Promise<boolean>;
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

export interface HostMonitorDeps {
  readonly database: Database;
  readonly fleet: Fleet;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Records when hosts become unreachable, and when they are back. */
  readonly audit: AuditLog;
  readonly localHost?: LocalHost | undefined;
  readonly connectHost?: ConnectHost | undefined;
  readonly addresses: HostAddresses;
  readonly enrolment: Pick<HostEnrolment, "acceptsCertificate">;
  readonly reports: ReportLimits;
  /** What else is swept at each look at the hosts: outcomes that could not be recorded, and what control planes left that ended. */
  readonly upkeep: readonly { sweep(): Promise<void> }[];
}

export interface HostMonitorOptions {
  /** UUID of this control plane, the same after a restart. */
  readonly instanceId: string;
  readonly times: MonitorTimes;
}

/**
 * Watches the hosts: says that this control plane lives, opens and closes links, notices silent hosts, and has the rows of the
 * others compared with what they hold. Any number of control planes do so at once; what they conclude is written only where
 * nobody else was quicker.
 */
export class HostMonitor {
  readonly #deps: HostMonitorDeps;
  readonly #options: HostMonitorOptions;
  readonly #closing = new AbortController();
  /** What each open link depends on. */
  readonly #links = new Map<string, string>();
  readonly #reconciling = new Map<string, Promise<void>>();
  #loop: Promise<void> = Promise.resolve();

  constructor(deps: HostMonitorDeps, options: HostMonitorOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /**
   * Takes over what an earlier process with this instance id left, and begins to watch. When it resolves, the rows of the local
   * host's capsules are right.
   */
  async start(): Promise<void> {
    const { database, fleet, localHost } = this.#deps;
    const { instanceId, times } = this.#options;
    await controlPlaneQueries.touchControlPlane(database.db, instanceId);
    await operationQueries.failOrphanedOperations(
      database.db,
      "the server was restarted",
      this.#now(),
      instanceId,
    );
    if (localHost) {
      const agent = await localHost.agent;
      const facts = await agent.facts(AbortSignal.timeout(times.answerMs));
      const size = {
        arch: facts.architecture,
        cpuCores: facts.cpuCores,
        memoryMib: facts.memoryMib,
        diskGb: facts.diskGb,
      };
      await hostQueries.putLocalHost(database.db, localHost.id, size);
      fleet.add(localHost.id, agent, { isLocal: true, teamId: null });
      await this.reconcile(localHost.id);
    }
    await this.#inspectHosts();
    this.#loop = this.#watch();
  }

  /** Compares the rows of a host's capsules with what it holds; while that is being done nobody else begins it. */
  async reconcile(hostId: string): Promise<void> {
    const known = this.#reconciling.get(hostId);
    if (known) return await known;
    const closing = this.#closing.signal;
    const answered = AbortSignal.any([closing, AbortSignal.timeout(this.#options.times.answerMs)]);
    const agent = this.#deps.fleet.agent(hostId);
    const { localHost, reports } = this.#deps;
    const mayTurn = (capsuleId: string): boolean =>
      hostId === localHost?.id || reports.take(hostId, capsuleId);
    const deps = { ...this.#deps, mayTurn };
    const work = reconcileHost(hostId, agent, deps, { answered, closing }).finally(() =>
      this.#reconciling.delete(hostId),
    );
    this.#reconciling.set(hostId, work);
    await work;
  }

  /** Records a heartbeat of a host. @returns whether the host exists. */
  async recordHeartbeat(hostId: string): Promise<boolean> {
    const { database } = this.#deps;
    const before = await hostQueries.touchHost(database.db, hostId);
    if (before === undefined) return false;
    if (before === "unreachable" || before === "offline") {
      const host = (await hostQueries.listHosts(database.db)).find(({ id }) => id === hostId);
      if (host) await this.#auditReachability(host, "up");
      // The link to it may have been closed, too.
      this.#background(this.#inspectHosts());
    }
    return true;
  }

  async close(): Promise<void> {
    const { database, fleet, localHost, logger } = this.#deps;
    const { instanceId } = this.#options;
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
    const { clock, logger } = this.#deps;
    const { times } = this.#options;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        await clock.sleep(times.everyMs, signal);
        await this.#inspectHosts();
      } catch (error) {
        // A database that is away comes back; meanwhile nothing is concluded.
        if (!signal.aborted) logger.warn("host.watch_failed", { problem: problemOf(error) });
      }
    }
  }

  async #inspectHosts(): Promise<void> {
    const { database, fleet, localHost, logger, upkeep } = this.#deps;
    const { instanceId, times } = this.#options;
    await controlPlaneQueries.touchControlPlane(database.db, instanceId);
    if (localHost) await hostQueries.touchHost(database.db, localHost.id);
    await controlPlaneQueries.deleteSilentControlPlanes(database.db, times.leaseMs);
    await operationQueries.failOrphanedOperations(
      database.db,
      "the control plane that did it ended",
      this.#now(),
    );
    for (const part of upkeep) await part.sweep();
    for (const host of await hostQueries.markSilentHosts(database.db, times.silentMs)) {
      logger.warn("host.unreachable", { host: formatId("host", host.id) });
      await capsuleQueries.markMissing(database.db, host.id, this.#now());
      await this.#auditReachability(host, "down");
    }
    const hosts = await hostQueries.listHosts(database.db);
    this.#updateLinks(hosts);
    for (const { id, status } of hosts) fleet.allowWaiting(id, status !== "draining");
    for (const hostId of fleet.ids())
      this.#background(
        this.reconcile(hostId).catch((error: unknown) =>
          logger.debug("host.no_answer", { host: formatId("host", hostId), problem: problemOf(error) }),
        ),
      );
  }

  /** Opens links to hosts that are new, moved or registered again, and closes those to hosts that are gone or revoked. */
  #updateLinks(hosts: readonly HostRow[]): void {
    const { fleet, connectHost, localHost } = this.#deps;
    if (!connectHost) return;
    const linked = hosts.filter(
      (host) =>
        host.id !== localHost?.id &&
        host.address !== null &&
        host.status !== "pending" &&
        // Revoked, it has to register again.
        host.cert_fingerprint !== null,
    );
    const present = new Map(linked.map((host) => [host.id, linkKey(host)]));
    for (const [id, key] of this.#links) {
      if (present.get(id) === key) continue;
      fleet.remove(id);
      this.#links.delete(id);
    }
    for (const host of linked) {
      if (this.#links.has(host.id)) continue;
      this.#connect(connectHost, host);
      this.#links.set(host.id, linkKey(host));
    }
  }

  #connect(connectHost: ConnectHost, host: HostRow): void {
    const { fleet, addresses, enrolment } = this.#deps;
    const hostAddress = host.address ?? "";
    const port = Number(hostAddress.slice(hostAddress.lastIndexOf(":") + 1));
    const agent = connectHost({
      id: host.id,
      address: hostAddress,
      permits: (address) => addresses.permitsConnection(host, address, port),
      accepts: async (fingerprint) => await enrolment.acceptsCertificate(host.id, fingerprint),
    });
    fleet.add(host.id, agent, { isLocal: false, teamId: host.team_id, close: () => agent.close() });
  }

  async #auditReachability(host: HostRow, reachability: "down" | "up"): Promise<void> {
    await this.#deps.audit.write(
      this.#deps.database.db,
      { teamId: host.team_id ?? PLATFORM_TEAM },
      {
        resource: "host",
        resourceId: formatId("host", host.id),
        action: `marked_${reachability}`,
        scope: "admin",
        status: reachability === "down" ? "error" : "success",
      },
    );
  }

  #background(work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (!this.#closing.signal.aborted)
        this.#deps.logger.warn("host.watch_failed", { problem: problemOf(error) });
    });
  }

  #now(): Date {
    return new Date(this.#deps.clock.now());
  }
}

/** What a link to a host depends on. Another value: another link. */
function linkKey(host: HostRow): string {
  return `${host.address} ${host.registered_from} ${host.credentials_epoch}`;
}
