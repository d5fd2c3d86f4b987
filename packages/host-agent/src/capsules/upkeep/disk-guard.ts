import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { problemOf } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import { allocatedBytes } from "../../disks/disks.ts";
import type { DiskReserve } from "../../disks/disk-reserve.ts";
import type { Capsule } from "../capsule.ts";
import type { CapsuleRegistry } from "../capsule-registry.ts";

const TICK_MS = 500;
const STALL_MS = 10_000;
/** A guest that writes less than this between two looks is not what fills the disk. */
const SMALL_WRITES_BYTES = 1 << 20;

export interface DiskGuardDeps {
  readonly logger: Logger;
  readonly disks: { readonly reserve: DiskReserve };
}

/**
 * Stalls capsules that write while less than half of the reserve is free, so that the database never meets a full disk. Disks of
 * capsules are overcommitted: no quota can keep them from filling the host together. Nothing is lost: their guests stand still, and
 * continue when there is room.
 */
export class DiskGuard {
  readonly #registry: CapsuleRegistry;
  readonly #deps: DiskGuardDeps;
  readonly #timer: NodeJS.Timeout;
  /** What each running capsule occupied at the last look, by its id. */
  #sizes: ReadonlyMap<string, number> = new Map();
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
      return;
    }
    const before = this.#sizes;
    const sizes = new Map<string, number>();
    for (const capsule of this.#registry.capsules.values())
      if (capsule.state === "running") sizes.set(capsule.id, await writtenBytes(capsule));
    this.#sizes = sizes;
    if (free >= reserve.stallBelow) return;
    const tolerated = free < reserve.stallBelow / 2 ? 0 : SMALL_WRITES_BYTES;
    for (const [id, size] of sizes) {
      const grown = size - (before.get(id) ?? size);
      const capsule = this.#registry.capsules.get(id);
      if (capsule && grown > tolerated) this.#stall(capsule, grown);
    }
  }

  async #tick(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      await this.sweep();
    } catch (error) {
      this.#deps.logger.warn("host.disk_unknown", { problem: problemOf(error) });
    } finally {
      this.#looking = false;
    }
  }

  #stall(capsule: Capsule, grown: number): void {
    const { id } = capsule;
    if (this.#stalling.has(id)) return;
    this.#stalling.add(id);
    const { reserve } = this.#deps.disks;
    this.#registry.inBackground(id, "stall", async () => {
      try {
        // In its turn: a machine that an operation has stopped must not be continued by the end of a stall.
        await this.#registry.queue.run(id, async () => {
          const { machine } = capsule.running ?? {};
          if (capsule.state !== "running" || !machine || machine.stall) return;
          this.#deps.logger.warn("host.disk_short", { capsule: id, grown });
          const hasRoom = async (): Promise<boolean> => (await reserve.freeBytes()) >= reserve.continueAbove;
          await machine.stallUntil(reserve.path, hasRoom, AbortSignal.timeout(STALL_MS));
        });
      } finally {
        this.#stalling.delete(id);
      }
    });
  }
}

/** What a capsule's machine has written: everything in the directories that it can write to. */
async function writtenBytes({ directory }: Capsule): Promise<number> {
  let total = 0;
  for (const place of [directory.disk, directory.run])
    for (const name of await readdir(place).catch(() => []))
      total += await allocatedBytes([join(place, name)]).catch(() => 0);
  return total;
}
