import { WrennError } from "@wrenn/core";
import type { OpenImage } from "./image-file.ts";
import type { OverlayHeader } from "./overlay-header.ts";
import { CLUSTER } from "./qcow2.ts";

const MIB = 2 ** 20;
/** Of an entry: "used once", which says nothing to a reader. */
const COPIED_HIGH = 0x8000_0000;
const COMPRESSED_HIGH = 0x4000_0000;
/** The upper half of an offset within a file: bits 32 to 55. */
const OFFSET_HIGH = 0x00ff_ffff;

/**
 * Where an overlay has the content of its disk. A VMM may have written the tables: every place in them is checked before it is used,
 * nothing is read twice, and no cluster of the file is used for two purposes, so that work and result are bounded by the file.
 */
export class ClusterMap {
  readonly image: OpenImage;
  readonly header: OverlayHeader;
  /** Entries of the L1 table, two words each. */
  readonly #l1: Uint32Array;
  /** A bit for each cluster of the file that has a purpose. */
  readonly #used: Uint8Array;

  private constructor(image: OpenImage, header: OverlayHeader, l1: Uint32Array) {
    this.image = image;
    this.header = header;
    this.#l1 = l1;
    this.#used = new Uint8Array(Math.ceil(image.sizeBytes / CLUSTER / 8));
    this.#take(0);
    this.#take(header.l1.offset);
  }

  /** @throws WrennError `disk_image_refused`. */
  static async open(image: OpenImage, header: OverlayHeader): Promise<ClusterMap> {
    const { sizeBytes, l1 } = header;
    const refuse = (problem: string): never => {
      throw new WrennError("disk_image_refused", { path: image.path, problem });
    };
    // The tables of a disk take a 64th of it at most.
    if (image.sizeBytes > sizeBytes + sizeBytes / 64 + 64 * MIB) return refuse("it is larger than its disk");
    if (l1.offset >= image.sizeBytes) return refuse("its tables name places behind its end");
    return new ClusterMap(image, header, await readWords(image, l1.offset, l1.entries * 8));
  }

  /**
   * One L2 table, four words for each entry: two of the descriptor, the mask of the subclusters that read as zeros, and that of the
   * allocated ones. Undefined when nothing that it would describe is in this overlay. To be asked for once.
   *
   * @throws WrennError `disk_image_refused`; system errors.
   */
  async readTable(index: number): Promise<Uint32Array | undefined> {
    if (index >= this.header.l1.entries) return undefined;
    const [high = 0, low = 0] = this.#l1.subarray(index * 2);
    const offset = this.#offset(high, low);
    if (offset === 0) return undefined;
    this.#take(offset);
    return await readWords(this.image, offset, CLUSTER);
  }

  /**
   * Checks one entry of an L2 table.
   *
   * @throws WrennError `disk_image_refused`.
   */
  check(high: number, low: number, zeros: number, allocated: number): void {
    if ((high & COMPRESSED_HIGH) !== 0) this.#refuse("it has compressed clusters");
    if ((zeros & allocated) !== 0) this.#refuse("it has a part with data that reads as zeros");
    if (this.#offset(high, low) === 0 && allocated !== 0) this.#refuse("it has data without a place");
  }

  /**
   * Where in the file the cluster of a checked entry is. To be asked for once.
   *
   * @throws WrennError `disk_image_refused`.
   */
  place(high: number, low: number): number {
    const offset = this.#offset(high, low);
    this.#take(offset);
    return offset;
  }

  /** An offset that an entry of a table names. */
  #offset(high: number, low: number): number {
    const rest = high & ~COPIED_HIGH;
    if ((rest & ~OFFSET_HIGH) !== 0 || low % CLUSTER !== 0) return this.#refuse("its tables are damaged");
    return rest * 2 ** 32 + low;
  }

  /** Notes that a cluster of the file has a purpose now. */
  #take(offset: number): void {
    if (offset >= this.image.sizeBytes) this.#refuse("its tables name places behind its end");
    const cluster = offset / CLUSTER;
    const [byte, bit] = [Math.floor(cluster / 8), 1 << (cluster % 8)];
    const used = this.#used[byte] ?? 0;
    if ((used & bit) !== 0) this.#refuse("its tables name a place twice");
    this.#used[byte] = used | bit;
  }

  #refuse(problem: string): never {
    throw new WrennError("disk_image_refused", { path: this.image.path, problem });
  }
}

/** The big-endian words of a part of a file. */
async function readWords(image: OpenImage, position: number, bytes: number): Promise<Uint32Array> {
  const buffer = Buffer.from(new ArrayBuffer(bytes));
  await image.read(buffer, position);
  buffer.swap32();
  return new Uint32Array(buffer.buffer, buffer.byteOffset, bytes / 4);
}
