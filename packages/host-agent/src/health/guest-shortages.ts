import type { Clock, Logger } from "@wrenn/core";
import type { GuestCounters } from "@wrenn/guest";
import type { FullDisk, OutOfMemory } from "@wrenn/protocol";
import type { Capsule } from "../capsules/capsule.ts";
import type { CapsuleRegistry } from "../capsules/capsule-registry.ts";

/** A disk is full when less than this share of it is free, and no longer once it has the larger share. */
const FULL_BELOW = 0.01;
const FREE_ABOVE = 0.05;
/** Between two reports that a capsule is out of memory. */
const REPORT_MS = 10_000;
const MOST_NAME = 64;

interface Reported {
  /** Processes that the kernel of the guest had killed, as of the last report. */
  readonly kills: number;
  readonly at: number;
}

/** What guests are short of, by the counters that they are asked for anyway: the space and files of their disks, and memory. */
export class GuestShortages {
  readonly #registry: CapsuleRegistry;
  readonly #deps: { readonly clock: Clock; readonly logger: Logger };
  /** By machine: another one counts anew. */
  readonly #reported = new WeakMap<object, Reported>();

  constructor(registry: CapsuleRegistry, deps: { readonly clock: Clock; readonly logger: Logger }) {
    this.#registry = registry;
    this.#deps = deps;
  }

  noteCounters(capsule: Capsule, counters: GuestCounters): void {
    if (capsule.state !== "running" || !capsule.running) return;
    const isDiskChanged = this.#noteDisk(capsule, counters);
    const isMemoryShort = this.#noteMemory(capsule, capsule.running, counters);
    if (isDiskChanged || isMemoryShort) this.#registry.announce(capsule.status());
  }

  #noteDisk(capsule: Capsule, counters: GuestCounters): boolean {
    const before = capsule.fullDisk;
    const full: FullDisk[] = [];
    if (isFull(counters.diskUsed, counters.diskTotal, before?.includes("space"))) full.push("space");
    if (isFull(counters.inodesUsed, counters.inodesTotal, before?.includes("files"))) full.push("files");
    if (before?.join() === full.join()) return false;
    capsule.fullDisk = full;
    if (full.length > 0) this.#deps.logger.info("guest.disk_full", { capsule: capsule.id, of: full.join() });
    return before !== undefined || full.length > 0;
  }

  #noteMemory(capsule: Capsule, machine: object, { oom }: GuestCounters): boolean {
    if (!oom || oom.kills === 0) return false;
    const now = this.#deps.clock.monotonic();
    const before = this.#reported.get(machine);
    if (before?.kills === oom.kills || (before && now - before.at < REPORT_MS)) return false;
    this.#reported.set(machine, { kills: oom.kills, at: now });
    capsule.outOfMemory = describe(capsule, oom, this.#deps.clock.now());
    this.#deps.logger.info("guest.out_of_memory", { capsule: capsule.id, kills: oom.kills });
    return true;
  }
}

/** What a guest says is bounded: it has no more memory than its capsule, and nothing happens in the future. */
function describe(capsule: Capsule, oom: NonNullable<GuestCounters["oom"]>, now: number): OutOfMemory {
  return {
    at: Math.max(0, Math.min(now, Math.floor(Number(oom.wallClockNs / 1_000_000n)))),
    kills: oom.kills,
    process: printable(oom.process).slice(0, MOST_NAME),
    pid: oom.pid,
    memoryBytes: Math.min(oom.memoryBytes, capsule.spec.memoryMib * 2 ** 20),
  };
}

function isFull(used: number, total: number, was = false): boolean {
  if (!(total > 0)) return false;
  const free = Math.max(0, total - used) / total;
  return was ? free < FREE_ABOVE : free < FULL_BELOW;
}

function printable(text: string): string {
  return text.replaceAll(/[^\u0020-\u007e]/g, "?");
}
