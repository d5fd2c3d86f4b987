import { join } from "node:path";
import { problemOf } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import type { HostStorage } from "@wrenn/protocol";
import { CONSOLE_RING } from "@wrenn/vmm";
import { allocatedBytes } from "../../disks/disks.ts";
import type { Disks } from "../../disks/disks.ts";
import type { Capsule } from "../capsule.ts";
import type { CapsuleRegistry } from "../capsule-registry.ts";
import { largeTeams, teamOf } from "./large-teams.ts";

const TICK_MS = 500;
const STALL_MS = 10_000;
/** While room is short, what teams occupy is measured again after this, or after so many times as long as it took. */
const MEASURE_MS = 2000;
const MEASURE_PAUSE = 10;
/** Guests that write less than this between two looks are not what fills the disk. */
const SMALL_WRITES_BYTES = 1 << 20;

export interface DiskGuardDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly disks: Pick<Disks, "reserve">;
  /** What capsules occupy. */
  readonly storage: () => Promise<HostStorage>;
}

/** A capsule whose machine has written since the last look. */
interface Writer {
  readonly capsule: Capsule;
  readonly grown: number;
}

/**
 * Stalls capsules that write while room on the host's disk is short, so that the database never meets a full disk. Disks of capsules
 * are overcommitted: no quota can keep them from filling the host together. Nothing is lost: their guests stand still, and continue
 * when there is room. The upper half of the reserve is kept from the teams that occupy most, the lower half from every team.
 */
export class DiskGuard {
  readonly #registry: CapsuleRegistry;
  readonly #deps: DiskGuardDeps;
  readonly #timer: NodeJS.Timeout;
  /** What each file of a machine occupied at the last look, by its path. */
  #sizes: ReadonlyMap<string, number> = new Map();
  #large: ReadonlySet<string> = new Set();
  #measureAt = -Infinity;
  #measuring = false;
  readonly #stalling = new Set<string>();
  #looking = false;

  constructor(registry: CapsuleRegistry, deps: DiskGuardDeps) {
    this.#registry = registry;
    this.#deps = deps;
    this.#timer = setInterval(() => void this.#tick(), TICK_MS);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Looks at the disk once, and at its capsules when room becomes short. */
  async sweep(): Promise<void> {
    const { reserve } = this.#deps.disks;
    const free = await reserve.freeBytes();
    // Sizes are known before they matter: two looks tell which capsules write.
    if (free >= reserve.reserveBytes * 2) {
      this.#sizes = new Map();
      this.#measureAt = -Infinity;
      return;
    }
    const writers = await this.#findWriters();
    for (const writer of this.#excessive(writers, free)) this.#stall(writer);
    // For later looks, which do not wait for it: it takes long on a host with many files.
    this.#measureTeams().catch((error: unknown) => this.#warn(error));
  }

  async #tick(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      await this.sweep();
    } catch (error) {
      this.#warn(error);
    } finally {
      this.#looking = false;
    }
  }

  #warn(error: unknown): void {
    this.#deps.logger.warn("host.disk_unknown", { problem: problemOf(error) });
  }

  /** Capsules with a machine, whatever is done with them: one that is being paused writes until its machine is stopped. */
  async #findWriters(): Promise<readonly Writer[]> {
    const before = this.#sizes;
    const sizes = new Map<string, number>();
    const writers: Writer[] = [];
    for (const capsule of this.#registry.capsules.values()) {
      if (!capsule.running) continue;
      let grown = 0;
      for (const path of writtenFiles(capsule)) {
        const size = await allocatedBytes([path]).catch(() => 0);
        sizes.set(path, size);
        grown += Math.max(0, size - (before.get(path) ?? size));
      }
      if (grown > 0) writers.push({ capsule, grown });
    }
    this.#sizes = sizes;
    return writers;
  }

  /** One at a time; until it ends, what the last one found stands. */
  async #measureTeams(): Promise<void> {
    const { clock, storage } = this.#deps;
    const begun = clock.monotonic();
    if (this.#measuring || begun < this.#measureAt) return;
    this.#measuring = true;
    try {
      const measured = await storage();
      this.#large = largeTeams(measured, (id) => teamOf(this.#registry.capsules.get(id)));
    } finally {
      this.#measuring = false;
      const ended = clock.monotonic();
      this.#measureAt = ended + Math.max(MEASURE_MS, (ended - begun) * MEASURE_PAUSE);
    }
  }

  #excessive(writers: readonly Writer[], free: number): readonly Writer[] {
    const { reserve } = this.#deps.disks;
    if (free >= reserve.reserveBytes) return [];
    const isLarge = ({ capsule }: Writer): boolean => this.#large.has(teamOf(capsule));
    const ofLarge = writers.filter(isLarge);
    // Taken together: many capsules that write little each fill the disk as well.
    const together = ofLarge.reduce((sum, { grown }) => sum + grown, 0);
    const stalled = together > SMALL_WRITES_BYTES ? ofLarge : [];
    if (free >= reserve.stallBelow) return stalled;
    const tolerated = free < reserve.stallBelow / 2 ? 0 : SMALL_WRITES_BYTES;
    return [...stalled, ...writers.filter(({ grown }) => grown > tolerated)];
  }

  /** Not in the capsule's turn: an operation lasts as long as its guest makes it last, and a machine that it stopped is left alone. */
  #stall({ capsule, grown }: Writer): void {
    const { id } = capsule;
    const { machine } = capsule.running ?? {};
    if (!machine || machine.stall || this.#stalling.has(id)) return;
    this.#stalling.add(id);
    const { reserve } = this.#deps.disks;
    this.#registry.inBackground(id, "stall", async () => {
      try {
        this.#deps.logger.warn("host.disk_short", { capsule: id, grown });
        const hasRoom = async (): Promise<boolean> =>
          (await reserve.freeBytes()) >= this.#continueAbove(capsule);
        await machine.stallUntil(reserve.path, hasRoom, AbortSignal.timeout(STALL_MS));
      } finally {
        this.#stalling.delete(id);
      }
    });
  }

  /** Room that others free is theirs before it is that of a team that occupies much. */
  #continueAbove(capsule: Capsule): number {
    const { reserve } = this.#deps.disks;
    return this.#large.has(teamOf(capsule)) ? reserve.reserveBytes : reserve.continueAbove;
  }
}

/** What a capsule's machine can write: its disk, the next one while a checkpoint switches to it, and its console. */
function writtenFiles({ directory, record: { overlay } }: Capsule): readonly string[] {
  return [directory.overlay(overlay), directory.overlay(overlay + 1), join(directory.run, CONSOLE_RING)];
}
