import type { Clock, Logger, Random } from "@wrenn/core";
import type { GuestLink } from "@wrenn/guest";
import type { NetworkPolicy, Slot } from "@wrenn/network";
import type { HostFacts, NetworkDecision } from "@wrenn/protocol";
import type { Hypervisor, Machine } from "@wrenn/vmm";
import type { LayerStore } from "./disks/layer-store.ts";
import type { PackedMemory } from "./memory/memory.ts";
import type { Swept } from "./sweep/sweep-host.ts";
import type { StepObserver } from "./steps.ts";
import type { SnapshotTemplates } from "./templates/snapshot-templates.ts";
import type { TemplateBases } from "./templates/template-bases.ts";
import type { TemplateSource } from "./templates/frozen-template.ts";

/** Everything the host agent is composed of; the composition root fills it in, tests replace parts. */
export interface HostAgentDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  readonly hypervisor: Hypervisor;
  readonly slots: Slots;
  readonly templates: TemplateSource;
  /** Makes the writable disk of a capsule on top of a template's. */
  readonly createDisk: (
    disk: { readonly path: string; readonly backing: string; readonly sizeMib: number; readonly uid: number },
    signal: AbortSignal,
  ) => Promise<void>;
  /** `onActivity` is called for bytes in either direction. */
  readonly connectGuest: (
    machine: Machine,
    onActivity: () => void,
    signal: AbortSignal,
  ) => Promise<GuestLink>;
  /** Writes the pages that a stopped machine's guest has changed since its template; gives the size of the file. */
  readonly saveMemory: (machine: Machine, path: string, signal: AbortSignal) => Promise<number>;
  readonly packedMemory: PackedMemory;
  /** Memory of capsules that have been paused for so long is packed, seconds; without, never. */
  readonly packAfterSec?: number;
  /** Removes what nobody on this host owns any more. */
  readonly sweepHost: () => Promise<readonly Swept[]>;
  /** Machines kept waiting for capsules of the template that is asked for most; none without. */
  readonly warmMachines?: number;
  /** Memory of the host that could be used right now. */
  readonly freeMemoryMib: () => number;
  readonly layers: LayerStore;
  /** Connections from outside to ports of capsules, for as long as the edge of this host knows them. */
  readonly connections: PortConnections;
  /** Writes a disk with all its layers but the lowest image to `target`. */
  readonly flattenDisk: (source: string, target: string, signal: AbortSignal) => Promise<void>;
  readonly snapshots: SnapshotTemplates;
  readonly bases: Pick<TemplateBases, "collect">;
  /** Where capsules live, one directory each. */
  readonly capsulesDirectory: string;
  /** Gives back what the slots hold, once no capsule is left. */
  readonly closeSlots: () => Promise<void>;
  readonly facts: HostFacts;
  readonly onStep?: StepObserver;
}

/** What pausing has to wait for, and what keeps a capsule awake. */
export interface PortConnections {
  /** Whether any is open. */
  inUse(capsuleId: string): boolean;
  /** Refuses new ones, gives the others a moment, and ends what stays. */
  drain(capsuleId: string, signal: AbortSignal): Promise<void>;
  /** Takes new ones again. */
  reset(capsuleId: string): void;
}

/** The part of the slot pool that capsules use. */
export interface Slots {
  acquire(signal: AbortSignal): Promise<Slot>;
  /** Replaces what the slot's guest may reach, at once. */
  applyPolicy(slot: Slot, policy: NetworkPolicy, signal: AbortSignal): Promise<void>;
  /** What the slot's guest lately wanted to reach. */
  decisions(slot: Slot, signal: AbortSignal): Promise<readonly NetworkDecision[]>;
  /** The slot of a machine that outlived an earlier host agent. */
  adopt(number: number): Slot | undefined;
  release(slot: Slot): Promise<void>;
}
