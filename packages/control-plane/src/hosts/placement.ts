import { WrennError } from "@wrenn/core";
import { listHostLoads, lockHost } from "@wrenn/database";
import type { HostLoad } from "@wrenn/database";
import type { Fleet } from "./fleet.ts";

type Transaction = Parameters<typeof listHostLoads>[0];

/**
 * How much may be promised of a host. Capsules share the memory of their template and fill their disks rarely, so that both are
 * promised several times over; CPUs are shared without a bound.
 */
export interface CapacityPolicy {
  /** Of memory, kept for the host itself, MiB. */
  readonly memoryReserveMb: number;
  readonly memoryOvercommit: number;
  readonly diskReserveMb: number;
  readonly diskOvercommit: number;
}

export const defaultCapacity: CapacityPolicy = {
  memoryReserveMb: 1024,
  memoryOvercommit: 8,
  diskReserveMb: 5000,
  diskOvercommit: 20,
};

export interface PlaceRequest {
  readonly teamId: string;
  readonly vcpus: number;
  readonly memoryMb: number;
  readonly diskMb: number;
  /** The only host that will do: files of a template lie there. */
  readonly onlyHost?: string | undefined;
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
  trx: Transaction,
  fleet: Fleet,
  policy: CapacityPolicy,
  request: PlaceRequest,
): Promise<string> {
  const { onlyHost, except = [] } = request;
  const wanted = fleet.ids().filter((id) => onlyHost === undefined || id === onlyHost);
  const candidates = wanted.filter((id) => !except.includes(id));
  const [only] = candidates;
  const first =
    only !== undefined && candidates.length === 1
      ? only
      : rank(await listHostLoads(trx, request.teamId, candidates), policy, request)[0];
  // Locked, it is looked at again: somebody may have been quicker.
  if (!(await lockHost(trx, first))) throw new WrennError("no_hosts", {});
  const [again] = await listHostLoads(trx, request.teamId, [first]);
  if (!again) throw new WrennError("no_hosts", {});
  return rank([again], policy, request)[0];
}

/** Hosts with room, the one first whose scarcest resource is freest with the capsule on it. @throws WrennError `host_full`, `no_hosts`. */
export function rank(
  hosts: readonly HostLoad[],
  policy: CapacityPolicy,
  wanted: Pick<PlaceRequest, "vcpus" | "memoryMb" | "diskMb">,
): readonly [string, ...string[]] {
  if (hosts.length === 0) throw new WrennError("no_hosts", {});
  const measured = hosts.map((host) => {
    const memory = (host.memoryMb - policy.memoryReserveMb) * policy.memoryOvercommit;
    const disk = (host.diskMb - policy.diskReserveMb) * policy.diskOvercommit;
    const used = {
      vcpus: host.used.vcpus + wanted.vcpus,
      memory: host.used.memoryMb + wanted.memoryMb,
      disk: host.used.diskMb + wanted.diskMb,
    };
    const short = used.memory > memory ? "memory" : used.disk > disk ? "disk" : undefined;
    const free = Math.min(
      1 - used.memory / memory,
      1 - used.disk / disk,
      1 / (1 + used.vcpus / Math.max(1, host.cpuCores)),
    );
    return { id: host.id, short, free };
  });
  const [best, ...rest] = measured
    .filter(({ short }) => short === undefined)
    .sort((a, b) => b.free - a.free)
    .map(({ id }) => id);
  if (best === undefined) throw new WrennError("host_full", { resource: measured[0]?.short ?? "memory" });
  return [best, ...rest];
}
