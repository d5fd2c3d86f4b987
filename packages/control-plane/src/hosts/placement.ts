import { WrennError } from "@wrenn/core";
import { placementQueries } from "@wrenn/database";
import type { HostLoad, Trx } from "@wrenn/database";
import type { Fleet } from "./fleet.ts";

/**
 * How much may be promised of a host. Capsules share the memory of their template and fill their disks rarely, so that both are
 * promised several times over; CPUs are shared without a bound.
 */
export interface CapacityPolicy {
  /** Of memory, kept for the host itself, MiB. */
  readonly memoryReserveMib: number;
  readonly memoryOvercommit: number;
  readonly diskReserveMib: number;
  readonly diskOvercommit: number;
}

export const defaultCapacity: CapacityPolicy = {
  memoryReserveMib: 1024,
  memoryOvercommit: 8,
  diskReserveMib: 5000,
  diskOvercommit: 20,
};

export interface PlaceRequest {
  readonly teamId: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly diskMib: number;
  /** The only host that will do: what the capsule starts from is there alone. */
  readonly onlyHost?: string | undefined;
  /** Hosts that have its template: they come first, and the others when these have no room. Default: it makes no difference. */
  readonly holders?: readonly string[] | undefined;
  /** Hosts that were tried in vain. */
  readonly except?: readonly string[];
}

/**
 * Chooses a host for a capsule and keeps others from placing on it until the end of the transaction, in which the capsule's row
 * is written: the row is the reservation.
 *
 * @throws WrennError `host_full` naming what there is too little of, `no_hosts` when none can be asked.
 */
export async function placeCapsule(
  trx: Trx,
  fleet: Fleet,
  policy: CapacityPolicy,
  request: PlaceRequest,
): Promise<string> {
  const [placed] = await placeCapsules(trx, fleet, policy, [request]);
  if (typeof placed === "string") return placed;
  throw placed ?? new WrennError("no_hosts", {});
}

/** Does what {@link placeCapsule} does for several, each beside those before it; gives what it would throw for one. */
export async function placeCapsules(
  trx: Trx,
  fleet: Fleet,
  policy: CapacityPolicy,
  requests: readonly PlaceRequest[],
): Promise<readonly (string | WrennError)[]> {
  const reachable = fleet.ids();
  const [only] = reachable;
  const before = new Loads(trx, policy, reachable);
  const chosen =
    only !== undefined && reachable.length === 1
      ? [only]
      : await Promise.all(requests.map((request) => before.place(request)));
  const wanted = [...new Set(chosen.filter((host) => typeof host === "string"))].sort();
  const locked: string[] = [];
  for (const id of wanted) if (await placementQueries.lockHost(trx, id)) locked.push(id);
  // Locked, they are looked at again: somebody may have been quicker.
  const now = new Loads(trx, policy, locked);
  const placed: (string | WrennError)[] = [];
  for (const [at, request] of requests.entries()) {
    const first = chosen[at];
    placed.push(first instanceof WrennError ? first : await now.place(request));
  }
  return placed;
}

/** What hosts have to carry, with what was promised meanwhile. */
class Loads {
  readonly #trx: Trx;
  readonly #policy: CapacityPolicy;
  readonly #hosts: readonly string[];
  /** By team: which hosts it may use differs. */
  readonly #loads = new Map<string, Promise<readonly HostLoad[]>>();
  readonly #promised = new Map<string, HostLoad["used"]>();

  constructor(trx: Trx, policy: CapacityPolicy, hosts: readonly string[]) {
    this.#trx = trx;
    this.#policy = policy;
    this.#hosts = hosts;
  }

  async place(request: PlaceRequest): Promise<string | WrennError> {
    const { teamId, onlyHost, holders, except = [] } = request;
    const known = this.#loads.get(teamId) ?? placementQueries.listHostLoads(this.#trx, teamId, this.#hosts);
    this.#loads.set(teamId, known);
    const candidates = (await known).filter(
      ({ id }) => (onlyHost === undefined || id === onlyHost) && !except.includes(id),
    );
    const hosts = candidates.map((host) => ({ ...host, used: sum(host.used, this.#promised.get(host.id)) }));
    try {
      const [best] = rank(hosts, this.#policy, request, holders);
      this.#promised.set(best, sum(request, this.#promised.get(best)));
      return best;
    } catch (error) {
      if (error instanceof WrennError) return error;
      throw error;
    }
  }
}

function sum(one: HostLoad["used"], other: HostLoad["used"] | undefined): HostLoad["used"] {
  return {
    vcpus: one.vcpus + (other?.vcpus ?? 0),
    memoryMib: one.memoryMib + (other?.memoryMib ?? 0),
    diskMib: one.diskMib + (other?.diskMib ?? 0),
  };
}

/**
 * Hosts with room: those first that are preferred, and of them the one whose scarcest resource is freest with the capsule on it.
 *
 * @throws WrennError `host_full`, `no_hosts`.
 */
export function rank(
  hosts: readonly HostLoad[],
  policy: CapacityPolicy,
  wanted: Pick<PlaceRequest, "vcpus" | "memoryMib" | "diskMib">,
  preferred: readonly string[] = [],
): readonly [string, ...string[]] {
  if (hosts.length === 0) throw new WrennError("no_hosts", {});
  const measured = hosts.map((host) => {
    const memory = (host.memoryMib - policy.memoryReserveMib) * policy.memoryOvercommit;
    const disk = (host.diskMib - policy.diskReserveMib) * policy.diskOvercommit;
    const used = {
      vcpus: host.used.vcpus + wanted.vcpus,
      memory: host.used.memoryMib + wanted.memoryMib,
      disk: host.used.diskMib + wanted.diskMib,
    };
    const short = used.memory > memory ? "memory" : used.disk > disk ? "disk" : undefined;
    const free = Math.min(
      1 - used.memory / memory,
      1 - used.disk / disk,
      1 / (1 + used.vcpus / Math.max(1, host.cpuCores)),
    );
    return { id: host.id, short, free, isFar: preferred.includes(host.id) ? 0 : 1 };
  });
  const [best, ...rest] = measured
    .filter(({ short }) => short === undefined)
    .sort((a, b) => a.isFar - b.isFar || b.free - a.free)
    .map(({ id }) => id);
  if (best === undefined) throw new WrennError("host_full", { resource: measured[0]?.short ?? "memory" });
  return [best, ...rest];
}
