import { link, mkdir, readdir, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { basename, join } from "node:path";
import { WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import type { CapsuleSpec } from "@wrenn/protocol";
import { syncDirectory, writeFileAtomic } from "@wrenn/system";
import { allocatedBytes } from "../disks/disks.ts";
import type { LayerStore } from "../disks/layer-store.ts";
import { generationFiles } from "../generations/generation.ts";
import type { Generation, GenerationFiles } from "../generations/generation.ts";
import type { FrozenTemplate } from "../templates/frozen-template.ts";

const RECORD = "moment.json";
const UNFINISHED = ".unfinished";
/** Keys are names of directories: digests, as their callers make them. */
const KEY = /^[0-9a-f]{64}$/;

/** What a capsule had at a moment that is kept for capsules that come later. */
export interface MomentSource {
  readonly template: FrozenTemplate;
  readonly spec: Pick<CapsuleSpec, "vcpus" | "memoryMib" | "diskMib">;
  /** With memory, or a disk alone. */
  readonly generation: Generation;
}

export interface CachedMoment extends MomentSource {
  readonly key: string;
  /** Of its own: what it shares with moments before it is theirs. */
  readonly sizeBytes: number;
}

export interface MomentCacheDeps {
  readonly directory: string;
  readonly layers: LayerStore;
  readonly clock: Pick<Clock, "now">;
  /** The moments that were not used for longest go when all take more than this. */
  readonly maxBytes: number;
}

/**
 * Moments of capsules that later capsules start from, under keys that say what led to them. It is a cache: whatever is in it can
 * be made again, and it ends with the template that it began with.
 */
export class MomentCache {
  readonly #deps: MomentCacheDeps;
  /** The one that was used last is the last. */
  readonly #moments = new Map<string, CachedMoment>();
  readonly #making = new Set<string>();
  /** How many capsules are being started from each. */
  readonly #inUse = new Map<string, number>();

  constructor(deps: MomentCacheDeps) {
    this.#deps = deps;
  }

  /** Reads what is there, and removes what an interrupted creation left or cannot be read. */
  async open(): Promise<void> {
    const { directory } = this.#deps;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const found: { readonly usedAt: number; readonly moment: CachedMoment }[] = [];
    for (const name of await readdir(directory)) {
      const path = join(directory, name, RECORD);
      try {
        if (!KEY.test(name)) throw new Error("it is unfinished");
        const moment = JSON.parse(await readFile(path, "utf8")) as CachedMoment;
        for (const layer of moment.generation.layers) await stat(this.#deps.layers.path(layer));
        found.push({ usedAt: (await stat(path)).mtimeMs, moment });
      } catch {
        await rm(join(directory, name), { recursive: true, force: true });
      }
    }
    for (const { moment } of found.sort((a, b) => a.usedAt - b.usedAt)) this.#moments.set(moment.key, moment);
  }

  list(): readonly CachedMoment[] {
    return [...this.#moments.values()];
  }

  /** @throws WrennError `invalid_field` for what can be no key. */
  requireKey(key: string): void {
    if (!KEY.test(key)) throw new WrennError("invalid_field", { field: "key", problem: "is no digest" });
  }

  has(key: string): boolean {
    return this.#moments.has(key);
  }

  files(key: string): GenerationFiles {
    return generationFiles(join(this.#deps.directory, key));
  }

  /**
   * Keeps a moment. Its layers are named by a record until this returns, and by this cache from then on.
   *
   * @param files - of the generation, which get second names here; a disk alone has none.
   * @throws WrennError `operation_failed` while the same is being kept; system errors.
   */
  async put(key: string, source: MomentSource, files: GenerationFiles): Promise<CachedMoment> {
    const known = this.#moments.get(key);
    if (known) return known;
    if (this.#making.has(key))
      throw new WrennError("operation_failed", {
        operation: "keeping a moment",
        problem: "it is being kept",
      });
    this.#making.add(key);
    const { directory, layers } = this.#deps;
    const building = join(directory, `${key}${UNFINISHED}`);
    try {
      await rm(building, { recursive: true, force: true });
      await mkdir(building, { mode: 0o700 });
      const { generation } = source;
      const own = generation.diskOnly ? [] : [files.memoryDiff, files.deviceState];
      for (const path of own) await link(path, join(building, basename(path)));
      const top = generation.layers.at(-1);
      const sizeBytes = await allocatedBytes([...own, ...(top === undefined ? [] : [layers.path(top)])]);
      const moment: CachedMoment = { ...source, key, sizeBytes };
      await writeFileAtomic(join(building, RECORD), `${JSON.stringify(moment)}\n`);
      await rename(building, join(directory, key));
      await syncDirectory(directory);
      this.#moments.set(key, moment);
      await this.#trim();
      return moment;
    } catch (error) {
      await rm(building, { recursive: true, force: true });
      throw error;
    } finally {
      this.#making.delete(key);
    }
  }

  /** A moment to start a capsule from; it stays until the returned handle is disposed. @throws WrennError `moment_not_found`. */
  async use(key: string): Promise<CachedMoment & Disposable> {
    const moment = this.#moments.get(key);
    if (!moment) throw new WrennError("moment_not_found", {});
    this.#moments.delete(key);
    this.#moments.set(key, moment);
    this.#inUse.set(key, (this.#inUse.get(key) ?? 0) + 1);
    const now = new Date(this.#deps.clock.now());
    await utimes(join(this.#deps.directory, key, RECORD), now, now);
    return {
      ...moment,
      [Symbol.dispose]: () => {
        const left = (this.#inUse.get(key) ?? 1) - 1;
        if (left > 0) this.#inUse.set(key, left);
        else this.#inUse.delete(key);
      },
    };
  }

  /** Removes those that are chosen, but not those that a capsule is being started from. @returns how many. */
  async remove(isChosen: (moment: CachedMoment) => boolean): Promise<number> {
    let removed = 0;
    for (const moment of this.list()) {
      if (!isChosen(moment) || this.#inUse.has(moment.key)) continue;
      this.#moments.delete(moment.key);
      await rm(join(this.#deps.directory, moment.key), { recursive: true, force: true });
      removed++;
    }
    return removed;
  }

  /** Ids of the disk layers that moments need. */
  layersInUse(): readonly string[] {
    return this.list().flatMap(({ generation }) => generation.layers);
  }

  async #trim(): Promise<void> {
    let bytes = this.list().reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const gone = new Set<string>();
    for (const { key, sizeBytes } of this.list()) {
      if (bytes <= this.#deps.maxBytes) break;
      bytes -= sizeBytes;
      gone.add(key);
    }
    await this.remove(({ key }) => gone.has(key));
  }
}
