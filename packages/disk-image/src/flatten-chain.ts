import { rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { syncDirectory } from "@wrenn/system";
import { openChain } from "./chain.ts";
import type { DiskFiles, OpenChain } from "./chain.ts";
import type { ClusterMap } from "./cluster-map.ts";
import { FlatImage } from "./flat-image.ts";
import { checkFreeSpace } from "./free-space.ts";
import type { OpenImage } from "./image-file.ts";
import { CLUSTER, L2_ENTRIES, SUBCLUSTER, SUBCLUSTERS } from "./qcow2.ts";

const MIB = 2 ** 20;
/** Bytes that are copied at once. */
const PIECE = MIB;
/** Clusters that are looked at before other work of the server has its turn. */
const CLUSTERS_PER_TURN = 512;
const ALL = 0xffff_ffff;
const COPIED_HIGH = 0x8000_0000;
const ZEROS = Buffer.alloc(SUBCLUSTER);
/** Suffix of a file that is being written. */
const FLATTENING = ".flattening";

/**
 * Writes the content of all overlays of a disk into one new overlay `target` on the lowest image, which is shared and stays. Reads slow
 * down with every layer (about twofold at twenty), so this runs off the hot path at about ten. No program is started and no image but
 * those in `disk` is opened. The overlays must not be written meanwhile; they stay as they are. `target` appears only when it is
 * complete and durable, with mode 0600; an abort or an error leaves nothing, a killed process `<target>.flattening`.
 *
 * @throws WrennError `disk_full` before anything is written, `disk_image_refused` when an image is not what this server writes.
 */
export async function flattenChain(disk: DiskFiles, target: string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await using chain = await openChain(disk);
  const needed = chain.overlays.reduce((sum, { image }) => sum + image.allocatedBytes, 0);
  await checkFreeSpace(dirname(target), needed);
  const temporary = `${target}${FLATTENING}`;
  await rm(temporary, { force: true });
  try {
    await copyInto(chain, temporary, signal);
    await rename(temporary, target);
    await syncDirectory(dirname(target));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function copyInto(chain: OpenChain, path: string, signal: AbortSignal): Promise<void> {
  const sizeBytes = sizeOf(chain);
  const overlay = { backing: chain.base.path, backingFormat: "raw", sizeMib: sizeBytes / MIB } as const;
  await using target = await FlatImage.create(path, overlay);
  const tables = Math.ceil(sizeBytes / CLUSTER / L2_ENTRIES);
  const buffer = Buffer.allocUnsafe(PIECE);
  for (let index = 0; index < tables; index++) {
    signal.throwIfAborted();
    const merge = await TableMerge.open({ chain, target, buffer, signal }, index);
    await merge?.run();
  }
  await target.finish();
}

/** A part of an overlay on its way to the target. */
interface Copy {
  readonly image: OpenImage;
  readonly from: number;
  readonly to: number;
  readonly length: number;
}

interface Flattening {
  readonly chain: OpenChain;
  readonly target: FlatImage;
  /** For what is copied. */
  readonly buffer: Buffer;
  readonly signal: AbortSignal;
}

/** Merges what the overlays have of one L2 table's part of the disk. */
class TableMerge {
  readonly #flattening: Flattening;
  readonly #index: number;
  /** Of each overlay, the topmost first. */
  readonly #tables: readonly (Uint32Array | undefined)[];
  /** The entries of the merged table. */
  readonly #words = new Uint32Array(L2_ENTRIES * 4);
  /** Places of the table's clusters in the target, from the first on: each with the number of its entry. */
  readonly #entries: number[] = [];
  #first = 0;
  #pending: Copy | undefined;

  private constructor(flattening: Flattening, index: number, tables: readonly (Uint32Array | undefined)[]) {
    this.#flattening = flattening;
    this.#index = index;
    this.#tables = tables;
  }

  /** Undefined when this part of the disk is the same as that of the base. */
  static async open(flattening: Flattening, index: number): Promise<TableMerge | undefined> {
    const { overlays, base } = flattening.chain;
    const tables: (Uint32Array | undefined)[] = [];
    for (const overlay of overlays) tables.push(await overlay.readTable(index));
    const end = Math.min((index + 1) * L2_ENTRIES * CLUSTER, sizeOf(flattening.chain), base.sizeBytes);
    const hidesBase = overlays.some(({ header }) => header.sizeBytes < end);
    if (!hidesBase && tables.every((table) => table === undefined)) return undefined;
    return new TableMerge(flattening, index, tables);
  }

  async run(): Promise<void> {
    const start = this.#index * L2_ENTRIES * CLUSTER;
    const size = sizeOf(this.#flattening.chain);
    const count = Math.min(L2_ENTRIES, Math.ceil((size - start) / CLUSTER));
    for (let entry = 0; entry < count; entry++) {
      if (entry % CLUSTERS_PER_TURN === 0) await this.#turn();
      await this.#merge(entry, start + entry * CLUSTER);
    }
    await this.#copy();
    if (this.#words.some((word) => word !== 0))
      await this.#flattening.target.addTable(this.#index, this.#words);
  }

  async #turn(): Promise<void> {
    await nextTurn();
    this.#flattening.signal.throwIfAborted();
  }

  /** Each subcluster comes from the topmost overlay that has it. */
  async #merge(entry: number, place: number): Promise<void> {
    let open = ALL;
    let zeros = 0;
    let to = 0;
    for (const [number, overlay] of this.#flattening.chain.overlays.entries()) {
      if (open === 0) break;
      // Behind the end of an overlay there are zeros, whatever is below it.
      if (place >= overlay.header.sizeBytes) {
        zeros |= open;
        break;
      }
      const table = this.#tables[number];
      if (!table) continue;
      const at = entry * 4;
      const [high, low] = [table[at] ?? 0, table[at + 1] ?? 0];
      const [zero, allocated] = [table[at + 2] ?? 0, table[at + 3] ?? 0];
      if (high === 0 && low === 0 && zero === 0 && allocated === 0) continue;
      overlay.check(high, low, zero, allocated);
      const taken = allocated & open;
      if (taken !== 0) {
        if (to === 0) to = this.#allocate(entry);
        await this.#add(overlay, overlay.place(high, low), to, taken);
        this.#words[at + 3] = (this.#words[at + 3] ?? 0) | taken;
      }
      zeros |= zero & open;
      open &= ~(zero | allocated);
    }
    this.#addZeros(entry, zeros);
  }

  #allocate(entry: number): number {
    const to = this.#flattening.target.allocate();
    if (this.#entries.length === 0) this.#first = to;
    this.#entries.push(entry);
    const words = [Math.floor(to / 2 ** 32) + COPIED_HIGH, to % 2 ** 32];
    this.#words.set(words, entry * 4);
    return to;
  }

  /** Where the base has ended there are zeros anyway. */
  #addZeros(entry: number, mask: number): void {
    const place = (this.#index * L2_ENTRIES + entry) * CLUSTER;
    if (mask === 0 || place >= this.#flattening.chain.base.sizeBytes) return;
    const at = entry * 4 + 2;
    this.#words[at] = (this.#words[at] ?? 0) | mask;
  }

  /** Adds the subclusters of a mask to what is copied. */
  async #add({ image }: ClusterMap, from: number, to: number, mask: number): Promise<void> {
    for (let begin = 0; begin < SUBCLUSTERS;) {
      let end = begin;
      while (end < SUBCLUSTERS && (mask & (1 << end)) !== 0) end++;
      if (end > begin) {
        const at = begin * SUBCLUSTER;
        await this.#enqueue({ image, from: from + at, to: to + at, length: (end - begin) * SUBCLUSTER });
      }
      begin = end + 1;
    }
  }

  async #enqueue(copy: Copy): Promise<void> {
    const last = this.#pending;
    const isNext =
      last?.image === copy.image &&
      last.from + last.length === copy.from &&
      last.to + last.length === copy.to &&
      last.length + copy.length <= PIECE;
    if (isNext) {
      this.#pending = { ...last, length: last.length + copy.length };
      return;
    }
    await this.#copy();
    this.#pending = copy;
  }

  /** Copies what is pending, and leaves out what is zeros. */
  async #copy(): Promise<void> {
    const copy = this.#pending;
    this.#pending = undefined;
    if (!copy) return;
    this.#flattening.signal.throwIfAborted();
    const bytes = this.#flattening.buffer.subarray(0, copy.length);
    await copy.image.read(bytes, copy.from);
    for (let begin = 0; begin < bytes.length;) {
      let end = begin;
      while (end < bytes.length && !isZero(bytes, end)) end += SUBCLUSTER;
      if (end > begin) await this.#flattening.target.write(bytes.subarray(begin, end), copy.to + begin);
      if (end < bytes.length) this.#leaveOut(copy.to + end);
      begin = end + SUBCLUSTER;
    }
  }

  /** Notes that a subcluster, by its place in the target, is zeros. */
  #leaveOut(place: number): void {
    const cluster = Math.floor((place - this.#first) / CLUSTER);
    const entry = this.#entries[cluster] ?? 0;
    const bit = 1 << Math.floor((place % CLUSTER) / SUBCLUSTER);
    const at = entry * 4 + 3;
    this.#words[at] = (this.#words[at] ?? 0) & ~bit;
    this.#addZeros(entry, bit);
  }
}

/** Size of the disk that a guest sees. */
function sizeOf({ overlays }: OpenChain): number {
  return overlays[0]?.header.sizeBytes ?? 0;
}

function isZero(bytes: Buffer, at: number): boolean {
  return ZEROS.compare(bytes, at, at + SUBCLUSTER) === 0;
}
