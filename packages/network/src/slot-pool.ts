import { setTimeout } from "node:timers/promises";
import { GroupedWrites, problemOf, WrennError } from "@wrenn/core";
import type { Logger, Random } from "@wrenn/core";
import type { ConnectionTable } from "./connection-guard.ts";
import type { ConnectionLimits } from "./connection-limits.ts";
import type { Destinations } from "./destinations.ts";
import { openHost } from "./host-network.ts";
import type { HostNetwork } from "./host-network.ts";
import { forgetConnections, forgetStrangers } from "./forget-connections.ts";
import { kernelSlots } from "./kernel-slots.ts";
import { blockCidr, hostGateway, slotOf } from "./naming.ts";
import { readPolicies } from "./policy-journal.ts";
import type { PolicyRecord } from "./policy-journal.ts";
import { systemRunner } from "./runner.ts";
import type { Runner } from "./runner.ts";
import { DEFAULT_LIMITS } from "./slot-limits.ts";
import type { SlotLimits } from "./slot-limits.ts";
import { SlotNumbers } from "./slot-numbers.ts";
import type { SlotPolicies } from "./slot-policies.ts";
import { NothingMade, setUpSlot, tearDownSlot } from "./slot-setup.ts";
import type { Slot } from "./slot.ts";
import type { SlotPool } from "./slots-of-installation.ts";
import type { TeamConnections } from "./team-connections.ts";

const REFILL_DELAY_MS = 300;

export interface SlotPoolOptions {
  /** Holds the journal; one pool per directory at a time. */
  readonly stateDirectory: string;
  readonly logger: Logger;
  readonly random: Random;
  /** Slots kept ready. */
  readonly size: number;
  readonly uidBase: number;
  /** For every slot that is made. Default: docs/reference/hosts.md#network. */
  readonly limits?: Partial<SlotLimits>;
  /** DNS servers to forward to, as `ADDRESS` or `ADDRESS:PORT`; the host's own without. */
  readonly resolvers?: readonly string[];
  /** Private, connected and published networks that policies may open; default: empty. */
  readonly reachableNetworks?: readonly string[];
  /** What all capsules of a team may take of the host's table of connections. Default: docs/operations/network.md. */
  readonly connectionLimits?: Partial<ConnectionLimits>;
  /** Reads how full that table is; from /proc without. */
  readonly connectionTable?: () => Promise<ConnectionTable>;
  readonly runner?: Runner;
}

/**
 * Opens the pool. Slots of an earlier run are found in the kernel: adopt those of live capsules, then sweep.
 *
 * @throws WrennError `dependency_missing` without iproute2 or nftables; `command_failed` without root.
 */
export async function createSlotPool(options: SlotPoolOptions, signal: AbortSignal): Promise<SlotPool> {
  const runner = options.runner ?? systemRunner;
  const capsules = new Map<number, string>();
  const capsuleOf = (number: number): string | undefined => capsules.get(number);
  const host = await openHost({ ...options, runner, capsuleOf }, signal);
  const { id, block } = host.instance;
  const orphans = await kernelSlots(id);
  // A predecessor that was killed has removed slots, and may not have come to their connections.
  const addresses = new Set(orphans.map((number) => slotOf(host.instance, number).hostAddress));
  addresses.add(hostGateway(host.instance));
  await forgetStrangers(blockCidr(block), addresses, runner);
  return openSlots(
    {
      host,
      runner,
      capsules,
      teams: host.teams,
      slotsInKernel: () => kernelSlots(id),
      known: await readPolicies(options.stateDirectory),
      orphans,
      logger: options.logger,
    },
    { size: options.size, limits: { ...DEFAULT_LIMITS, ...options.limits } },
  );
}

export interface SlotsDeps {
  readonly host: Pick<HostNetwork, "instance" | "close"> & {
    readonly destinations: Pick<Destinations, "opened">;
    readonly policies: Pick<SlotPolicies, "open" | "reopen" | "close" | "apply" | "decisions">;
  };
  readonly runner: Runner;
  /** The capsule that each slot has, by number. */
  readonly capsules: Map<number, string>;
  readonly teams: Pick<TeamConnections, "assign" | "release">;
  /** Numbers of the slots of which the kernel holds anything. */
  readonly slotsInKernel: () => Promise<readonly number[]>;
  /** Policies of slots of an earlier run. */
  readonly known: ReadonlyMap<number, PolicyRecord>;
  /** What the kernel held when the pool was opened. */
  readonly orphans: readonly number[];
  readonly logger: Logger;
}

export interface SlotsOptions {
  readonly size: number;
  readonly limits: SlotLimits;
}

/**
 * The pool on a host network that is open. Every number is reserved before the kernel is asked for its slot and stays taken, without
 * a gap, until the slot was removed. A slot is removed only by the caller that made, holds or adopted it.
 */
export function openSlots(deps: SlotsDeps, { size, limits }: SlotsOptions): SlotPool {
  const { host, runner, capsules, teams, slotsInKernel, known, logger } = deps;
  const { instance, policies, destinations } = host;
  const numbers = new SlotNumbers(deps.orphans);
  const ready: Slot[] = [];
  /** The slot that each number in use was given out as. */
  const leases = new Map<number, Slot>();
  const removals = new Map<Slot, Promise<void>>();
  const makings = new Set<Promise<unknown>>();
  /** One after the other, since each reads the whole table; those that wait are forgotten together. */
  const forgetting = new GroupedWrites<string, void>(async (addresses) => {
    await forgetConnections(addresses, runner);
    return [];
  });
  const endings = new Set<Promise<void>>();
  const closing = new AbortController();
  let isAdoptionOver = false;
  let refilling: Promise<void> | undefined;
  let closed: Promise<void> | undefined;

  const remove = async (number: number): Promise<void> => {
    await policies.close(number);
    await teams.release(number);
    await tearDownSlot(instance, number, runner);
    if ((await slotsInKernel()).includes(number))
      throw new WrennError("operation_failed", {
        operation: `removing network slot ${number}`,
        problem: "the kernel still holds it",
      });
  };

  /** Frees the number of a removed slot, once the host's table has none of its connections. */
  const forget = async (number: number): Promise<void> => {
    try {
      const { hostAddress } = slotOf(instance, number);
      await forgetting.write(hostAddress);
      numbers.free(number);
    } catch (error) {
      numbers.move(number, "removing", "orphan");
      throw error;
    }
  };
  const forgetLater = (number: number): void => {
    const end = forget(number)
      .catch((error: unknown) =>
        logger.error("network.forget_failed", { slot: number, problem: problemOf(error) }),
      )
      .finally(() => endings.delete(end));
    endings.add(end);
  };

  /**
   * Removes a slot that `holder` has; on failure `holder` has it again. The number is free afterwards, that of a used slot as soon as
   * its connections are forgotten: its capsule's pause does not wait for that.
   */
  const take = async (number: number, holder: "orphan" | "ready" | "used"): Promise<void> => {
    if (!numbers.move(number, holder, "removing")) return;
    try {
      await remove(number);
      leases.delete(number);
      capsules.delete(number);
    } catch (error) {
      numbers.move(number, "removing", holder);
      throw error;
    }
    if (holder === "orphan") await forget(number);
    // Nothing was ever connected to a slot that had no capsule.
    else if (holder === "ready") numbers.free(number);
    else forgetLater(number);
  };

  /** Makes the slot of a reserved number. @returns undefined when its name was taken in the kernel: then it is an orphan. */
  const tryMake = async (number: number, signal: AbortSignal): Promise<Slot | undefined> => {
    try {
      if (!(await slotsInKernel()).includes(number)) {
        const slot = slotOf(instance, number);
        await setUpSlot(instance, slot, { limits, destinations }, runner, signal);
        await policies.open(number, signal);
        signal.throwIfAborted();
        return slot;
      }
    } catch (error) {
      if (!(error instanceof NothingMade)) {
        await giveUp(number);
        throw error;
      }
      if (!(await slotsInKernel()).includes(number)) {
        numbers.free(number);
        throw error.cause;
      }
    }
    // A process that was killed while it made this slot has left it: it is removed like the others of an earlier run.
    numbers.move(number, "making", "orphan");
    logger.warn("network.slot_found", { slot: number });
    return undefined;
  };

  /** Removes what was made of a slot that could not be completed. */
  const giveUp = async (number: number): Promise<void> => {
    try {
      await remove(number);
      numbers.free(number);
    } catch (error) {
      numbers.move(number, "making", "orphan");
      logger.error("network.undo_failed", { slot: number, problem: problemOf(error) });
    }
  };

  const make = async (holder: "ready" | "used", signal: AbortSignal): Promise<Slot> => {
    for (;;) {
      const number = numbers.reserve();
      const slot = await tryMake(number, signal);
      if (slot && numbers.move(number, "making", holder)) return slot;
    }
  };

  /** Keeps the making of a slot, so that the pool is closed only after it. */
  const tracked = async (work: Promise<Slot>): Promise<Slot> => {
    makings.add(work);
    try {
      return await work;
    } finally {
      makings.delete(work);
    }
  };

  /** A slot that cannot be removed keeps its number: slots of other numbers are made all the same. */
  const reportSweep = (error: unknown): void =>
    logger.error("network.sweep_failed", { problem: problemOf(error) });

  const refill = async (): Promise<void> => {
    try {
      // Making slots takes processes: the capsule that took one starts first, as long as others are ready.
      await setTimeout(ready.length > 0 ? REFILL_DELAY_MS : 0, undefined, { signal: closing.signal });
      if (isAdoptionOver) await sweepAll().catch(reportSweep);
      while (ready.length < size && !closing.signal.aborted) ready.push(await make("ready", closing.signal));
    } catch (error) {
      if (!closing.signal.aborted) logger.error("network.refill_failed", { problem: problemOf(error) });
    } finally {
      refilling = undefined;
    }
  };
  const startRefill = (): void => {
    if (!closing.signal.aborted) refilling ??= refill();
  };

  /** Removes every orphan. What cannot be removed keeps none of the others. */
  const sweepAll = async (): Promise<readonly number[]> => {
    const unowned = numbers.of("orphan");
    const problems: unknown[] = [];
    for (const number of unowned) {
      try {
        await take(number, "orphan");
        logger.info("network.swept", { slot: number });
      } catch (error) {
        problems.push(error);
      }
    }
    if (problems.length > 0) throw problems[0];
    return unowned;
  };

  /** Removes what a program of a killed process, which runs on, has made since this pool looked at the kernel. */
  const sweepLate = async (): Promise<void> => {
    for (const number of await slotsInKernel()) numbers.find(number);
    if (isAdoptionOver) await sweepAll();
  };

  const requireLease = (slot: Slot): void => {
    if (leases.get(slot.number) !== slot)
      throw new WrennError("invalid_field", { field: "slot", problem: `${slot.number} is not in use` });
  };

  const assignAdopted = (number: number, team: string): void => {
    teams.assign(number, team, closing.signal).catch((error: unknown) => {
      if (!closing.signal.aborted)
        logger.error("network.adopt_failed", { slot: number, problem: problemOf(error) });
    });
  };

  const close = async (): Promise<void> => {
    closing.abort(new WrennError("host_unavailable", {}));
    await refilling;
    await Promise.allSettled(makings);
    await Promise.allSettled(removals.values());
    await Promise.allSettled(endings);
    const ends = await Promise.allSettled(ready.splice(0).map(({ number }) => take(number, "ready")));
    ends.push(...(await Promise.allSettled([sweepLate()])));
    // Without the journal no later pool would find what is left.
    const isEmpty = numbers.size === 0 && ends.every(({ status }) => status === "fulfilled");
    await host.close(isEmpty ? "remove" : "leave");
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  };

  // Which slots of an earlier run are removed is known once its capsules are adopted; until then the start has the CPU.
  if (deps.orphans.length === 0) startRefill();
  return {
    instance,
    acquire: async (signal) => {
      signal.throwIfAborted();
      closing.signal.throwIfAborted();
      let slot = ready.shift();
      if (slot) numbers.move(slot.number, "ready", "used");
      else slot = await tracked(make("used", AbortSignal.any([signal, closing.signal])));
      leases.set(slot.number, slot);
      startRefill();
      return slot;
    },
    adopt: (number, { capsule, team } = {}) => {
      if (!numbers.move(number, "orphan", "used")) return undefined;
      const slot = slotOf(instance, number);
      leases.set(number, slot);
      if (capsule !== undefined) capsules.set(number, capsule);
      if (team !== undefined) assignAdopted(number, team);
      // The kernel has enforced the policy all the while; what waits for this is names.
      policies.reopen(number, known.get(number), closing.signal).catch((error: unknown) => {
        if (!closing.signal.aborted)
          logger.error("network.adopt_failed", { slot: number, problem: problemOf(error) });
      });
      return slot;
    },
    release: async (slot) => {
      const { number } = slot;
      if (leases.get(number) !== slot) return;
      let removal = removals.get(slot);
      if (!removal) {
        removal = take(number, "used").finally(() => removals.delete(slot));
        removals.set(slot, removal);
      }
      await removal;
    },
    assignCapsule: (slot, capsule) => {
      requireLease(slot);
      capsules.set(slot.number, capsule);
    },
    assignTeam: async (slot, team, signal) => {
      requireLease(slot);
      await teams.assign(slot.number, team, signal);
    },
    applyPolicy: async (slot, policy, signal) => {
      requireLease(slot);
      await policies.apply(slot.number, policy, signal);
    },
    decisions: async (slot, signal) => {
      requireLease(slot);
      return await policies.decisions(slot.number, signal);
    },
    sweep: async ({ dryRun = false } = {}) => {
      if (dryRun) return numbers.of("orphan");
      isAdoptionOver = true;
      return await sweepAll().finally(startRefill);
    },
    endAdoption: () => {
      isAdoptionOver = true;
      startRefill();
    },
    close: () => (closed ??= close()),
  };
}
