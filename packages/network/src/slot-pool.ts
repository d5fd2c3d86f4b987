import { setTimeout } from "node:timers/promises";
import { problemOf, WrennError } from "@wrenn/core";
import type { Logger, Random } from "@wrenn/core";
import type { NetworkDecision } from "@wrenn/protocol";
import { openHost } from "./host-network.ts";
import { kernelSlots } from "./kernel-slots.ts";
import { slotOf } from "./naming.ts";
import type { Instance } from "./naming.ts";
import { readPolicies } from "./policy-journal.ts";
import type { NetworkPolicy } from "./policy.ts";
import { systemRunner } from "./runner.ts";
import type { Runner } from "./runner.ts";
import { DEFAULT_LIMITS } from "./slot-limits.ts";
import type { SlotLimits } from "./slot-limits.ts";
import { setUpSlot, tearDownSlot } from "./slot-setup.ts";
import { MAX_SLOT } from "./slot.ts";
import type { Slot } from "./slot.ts";

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
  readonly runner?: Runner;
}

/** The slots of one installation. The owner of every namespace and link that carries its instance id. */
export interface SlotPool {
  readonly instance: Instance;
  /**
   * A slot of the caller's own, ready-made when the pool has one, with the default policy.
   *
   * @throws WrennError `host_full` when all numbers are in use; `command_failed` when the kernel refuses.
   */
  acquire(signal: AbortSignal): Promise<Slot>;
  /** Takes over the slot of a capsule that outlived an earlier pool; undefined when it is gone from the kernel. */
  adopt(number: number): Slot | undefined;
  /** Removes the slot and everything it knew (connections, counters, policy). Its machine must be gone. Idempotent. */
  release(slot: Slot): Promise<void>;
  /**
   * Replaces the policy of a live slot at once; connections it forbids end. It is kept over restarts of the agent.
   *
   * @throws WrennError `invalid_field` when the policy is none; the old one stands after any error.
   */
  applyPolicy(slot: Slot, policy: NetworkPolicy, signal: AbortSignal): Promise<void>;
  /** What the slot's guest wanted to reach and what became of it: the newest few hundred, oldest first. */
  decisions(slot: Slot, signal: AbortSignal): Promise<readonly NetworkDecision[]>;
  /** Removes slots of an earlier run that nobody adopted; with `dryRun` only names them. Call it after adopting. */
  sweep(options?: { readonly dryRun?: boolean }): Promise<readonly number[]>;
  /** Removes the ready slots, and where no slot is in use also the host's rules, address block and journal. */
  close(): Promise<void>;
}

/**
 * Opens the pool. Slots of an earlier run are found in the kernel: adopt those of live capsules, then sweep.
 *
 * @throws WrennError `dependency_missing` without iproute2 or nftables; `command_failed` without root.
 */
export async function createSlotPool(options: SlotPoolOptions, signal: AbortSignal): Promise<SlotPool> {
  const { logger, stateDirectory } = options;
  const runner = options.runner ?? systemRunner;
  const limits: SlotLimits = { ...DEFAULT_LIMITS, ...options.limits };
  const host = await openHost({ ...options, runner }, signal);
  const { instance, policies } = host;
  const known = await readPolicies(stateDirectory);
  const orphans = new Set(await kernelSlots(instance.id));
  const ready: Slot[] = [];
  const used = new Set<number>();
  const making = new Set<number>();
  const closing = new AbortController();
  let refilling: Promise<void> | undefined;

  const make = async (signal: AbortSignal): Promise<Slot> => {
    const number = lowestFree(
      (n) => used.has(n) || making.has(n) || orphans.has(n) || ready.some((r) => r.number === n),
    );
    making.add(number);
    try {
      const slot = slotOf(instance, number);
      await setUpSlot(instance, slot, limits, runner, signal);
      try {
        await policies.open(number, signal);
      } catch (error) {
        await remove(number);
        throw error;
      }
      return slot;
    } finally {
      making.delete(number);
    }
  };

  const refill = async (): Promise<void> => {
    try {
      // Making slots takes processes: the capsule that took one starts first, as long as others are ready.
      await setTimeout(ready.length > 0 ? REFILL_DELAY_MS : 0, undefined, { signal: closing.signal });
      while (ready.length < options.size && !closing.signal.aborted) ready.push(await make(closing.signal));
    } catch (error) {
      if (!closing.signal.aborted) logger.error("network.refill_failed", { problem: problemOf(error) });
    } finally {
      refilling = undefined;
    }
  };
  const startRefill = (): void => {
    if (!closing.signal.aborted) refilling ??= refill();
  };
  startRefill();

  const remove = async (number: number): Promise<void> => {
    await policies.close(number);
    await tearDownSlot(instance, number, runner);
    if ((await kernelSlots(instance.id)).includes(number))
      throw new WrennError("operation_failed", {
        operation: `removing network slot ${number}`,
        problem: "the kernel still holds it",
      });
  };

  return {
    instance,
    acquire: async (signal) => {
      signal.throwIfAborted();
      closing.signal.throwIfAborted();
      const slot = ready.shift() ?? (await make(AbortSignal.any([signal, closing.signal])));
      used.add(slot.number);
      startRefill();
      return slot;
    },
    adopt: (number) => {
      if (!orphans.delete(number)) return undefined;
      used.add(number);
      // The kernel has enforced the policy all the while; what waits for this is names.
      policies.reopen(number, known.get(number), closing.signal).catch((error: unknown) => {
        if (!closing.signal.aborted)
          logger.error("network.adopt_failed", { slot: number, problem: problemOf(error) });
      });
      return slotOf(instance, number);
    },
    release: async (slot) => {
      if (!used.has(slot.number)) return;
      await remove(slot.number);
      used.delete(slot.number);
    },
    applyPolicy: (slot, policy, signal) => policies.apply(slot.number, policy, signal),
    decisions: (slot, signal) => policies.decisions(slot.number, signal),
    sweep: async ({ dryRun = false } = {}) => {
      const unowned = [...orphans];
      if (dryRun) return unowned;
      for (const number of unowned) {
        await remove(number);
        orphans.delete(number);
        logger.info("network.swept", { slot: number });
      }
      return unowned;
    },
    close: async () => {
      if (closing.signal.aborted) return;
      closing.abort(new WrennError("host_unavailable", {}));
      await refilling;
      for (const slot of ready.splice(0)) await remove(slot.number);
      await host.close(used.size + orphans.size > 0 ? "leave" : "remove");
    },
  };
}

function lowestFree(taken: (number: number) => boolean): number {
  for (let number = 1; number <= MAX_SLOT; number += 1) if (!taken(number)) return number;
  throw new WrennError("host_full", { resource: "network slots" });
}
