import type { Clock, Logger, Random } from "@wrenn/core";
import type { HostFacts } from "@wrenn/protocol";
import type { CopyFiles } from "./copies/open-copies.ts";
import type { Disks } from "./disks/disks.ts";
import type { measureStorage } from "./disks/storage-report.ts";
import type { readRunDelays } from "./health/run-delay.ts";
import type { ImageImports } from "./images/image-imports.ts";
import type { HostMachines } from "./machines/machines.ts";
import type { Memory } from "./memory/memory.ts";
import type { MomentCache } from "./moments/moment-cache.ts";
import type { Swept } from "./sweep/sweep-host.ts";
import type { StepObserver } from "./steps.ts";
import type { Templates } from "./templates/template-store.ts";

/** What the host agent is composed of. Each function takes the part that it uses, by a narrower type. */
export interface HostAgentDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  readonly machines: HostMachines;
  readonly disks: Disks;
  readonly memory: Memory;
  readonly templates: Templates;
  readonly moments: MomentCache;
  readonly images: ImageImports;
  readonly copyFiles: CopyFiles;
  /** Connections from outside to ports of capsules, for as long as the edge of this host knows them. */
  readonly connections: PortConnections;
  readonly host: Host;
  readonly onStep?: StepObserver;
  /** What capsules occupy on this host; by default every file of them is looked at. */
  readonly measureStorage?: typeof measureStorage;
  /** For how long the threads of a machine have waited for a processor; by default as the kernel says. */
  readonly runDelays?: typeof readRunDelays;
}

export interface HostAgentOptions {
  /** Where capsules are stored, one directory each. */
  readonly capsulesDirectory: string;
  /** Machines kept ready for the template that is requested most; default: none. */
  readonly warmMachines?: number;
  /** They are made only while a processor of the host is idle; default: whenever no request is under way. */
  readonly warmWhenIdle?: boolean;
  /** Machines of paused capsules that are kept stopped, at most; default: none. */
  readonly parkedMachines?: number;
  /** Seconds that a capsule is paused before its memory is packed; default: never. */
  readonly packAfterSec?: number;
}

/** The computer that the capsules share. */
export interface Host {
  readonly facts: HostFacts;
  /** Memory that could be used right now. */
  readonly freeMemoryMib: () => number;
  /** Time that all processors together were idle since some moment. */
  readonly cpuIdleMs: () => number;
  /** Removes what killed processes left behind. */
  readonly sweep: () => Promise<readonly Swept[]>;
}

/** What pausing has to wait for, and what keeps a capsule awake. */
export interface PortConnections {
  /** Whether any is open. */
  inUse(capsuleId: string): boolean;
  /** Refuses new ones, gives the others a moment, and ends what stays. */
  drain(capsuleId: string, signal: AbortSignal): Promise<void>;
  /** Refuses new ones and ends the others at once: the capsule's machine is gone, or about to be. */
  end(capsuleId: string): void;
  /** Takes new ones again. */
  reset(capsuleId: string): void;
}
