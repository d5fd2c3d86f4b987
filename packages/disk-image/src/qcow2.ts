import { writeFile } from "node:fs/promises";

const MAGIC = 0x51_46_49_fb;
const VERSION = 3;
const CLUSTER_BITS = 17;
const CLUSTER = 1 << CLUSTER_BITS;
const HEADER_LENGTH = 104;
const EXTENSION_BACKING_FORMAT = 0xe2_79_2a_ca;
const INCOMPATIBLE_EXTENDED_L2 = 1n << 4n;
/** The format's own bound for a backing file name. */
const MAX_BACKING_BYTES = 1023;
/** An extended L2 entry has 16 bytes, so one L2 table maps this many clusters. */
const L2_ENTRIES = CLUSTER / 16;
/** Clusters: header, refcount table, refcount block, L1 table. */
const CLUSTERS = 4;

export interface Overlay {
  /** Absolute path of the image underneath. */
  readonly backing: string;
  readonly backingFormat: "raw" | "qcow2";
  readonly sizeMib: number;
}

/**
 * Writes an empty qcow2 overlay (QEMU, docs/interop/qcow2.txt). Extended L2 entries with 128 KiB clusters copy 4 KiB on a
 * first write instead of a whole cluster. Written by hand, because starting a program costs ten times as much.
 */
export async function createOverlay(path: string, overlay: Overlay): Promise<void> {
  await writeFile(path, encodeOverlay(overlay), { mode: 0o600, flag: "wx" });
}

/**
 * The bytes of an empty overlay.
 *
 * @throws RangeError when the format cannot hold the path or the size.
 */
export function encodeOverlay(overlay: Overlay): Buffer {
  const backing = Buffer.from(overlay.backing, "utf8");
  // A relative path would be looked up beside the overlay, wherever that is moved to.
  if (!overlay.backing.startsWith("/"))
    throw new RangeError(`backing path ${overlay.backing} is not absolute`);
  if (backing.length > MAX_BACKING_BYTES) throw new RangeError(`backing path of ${backing.length} bytes`);
  if (!Number.isSafeInteger(overlay.sizeMib) || overlay.sizeMib < 1)
    throw new RangeError(`an image of ${overlay.sizeMib} MiB`);
  const size = overlay.sizeMib * 2 ** 20;
  const l1Size = Math.ceil(size / (CLUSTER * L2_ENTRIES));
  if (l1Size * 8 > CLUSTER) throw new RangeError(`an image of ${overlay.sizeMib} MiB`);
  const image = Buffer.alloc(CLUSTER * CLUSTERS);

  const extension = HEADER_LENGTH;
  const format = Buffer.from(overlay.backingFormat, "latin1");
  image.writeUInt32BE(EXTENSION_BACKING_FORMAT, extension);
  image.writeUInt32BE(format.length, extension + 4);
  format.copy(image, extension + 8);
  // Extensions are padded to eight bytes; an empty one ends the list.
  const nameAt = extension + 8 + 8 + 8;
  backing.copy(image, nameAt);

  image.writeUInt32BE(MAGIC, 0);
  image.writeUInt32BE(VERSION, 4);
  image.writeBigUInt64BE(BigInt(nameAt), 8);
  image.writeUInt32BE(backing.length, 16);
  image.writeUInt32BE(CLUSTER_BITS, 20);
  image.writeBigUInt64BE(BigInt(size), 24);
  image.writeUInt32BE(l1Size, 36);
  image.writeBigUInt64BE(BigInt(CLUSTER * 3), 40);
  image.writeBigUInt64BE(BigInt(CLUSTER), 48);
  image.writeUInt32BE(1, 56);
  image.writeBigUInt64BE(INCOMPATIBLE_EXTENDED_L2, 72);
  // Sixteen-bit reference counts (2^4).
  image.writeUInt32BE(4, 96);
  image.writeUInt32BE(HEADER_LENGTH, 100);

  image.writeBigUInt64BE(BigInt(CLUSTER * 2), CLUSTER);
  for (let cluster = 0; cluster < CLUSTERS; cluster++) image.writeUInt16BE(1, CLUSTER * 2 + cluster * 2);
  return image;
}
