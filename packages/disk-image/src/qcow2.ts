import { writeFile } from "node:fs/promises";

export const MAGIC = 0x51_46_49_fb;
export const VERSION = 3;
export const CLUSTER_BITS = 17;
export const CLUSTER = 1 << CLUSTER_BITS;
/** Length of the header's fields, without those that later versions of QEMU added. */
export const HEADER_FIELD_BYTES = 104;
export const INCOMPATIBLE_EXTENDED_L2 = 1n << 4n;
/** Width of reference counts: 2^4 bits. */
export const REFCOUNT_ORDER = 4;
/** The format's own bound for a backing file name. */
export const MAX_BACKING_BYTES = 1023;
/** An extended L2 entry has 16 bytes, so one L2 table maps this many clusters. */
export const L2_ENTRIES = CLUSTER / 16;
/** Of each cluster, each with a bit of its own in the L2 entry. */
export const SUBCLUSTERS = 32;
export const SUBCLUSTER = CLUSTER / SUBCLUSTERS;
/** Of an entry of an L1 or L2 table: the cluster is used once. */
export const COPIED = 1n << 63n;
/** Types of header extensions. */
export const headerExtension = {
  end: 0,
  backingFormat: 0xe2_79_2a_ca,
  featureNames: 0x68_03_f8_57,
  encryption: 0x05_37_be_77,
  dataFile: 0x44_41_54_41,
} as const;
/** Clusters of an empty overlay: header, refcount table, refcount block, L1 table. */
const CLUSTERS = 4;

export type ImageFormat = "raw" | "qcow2";

export interface Overlay {
  /** Absolute path of the image underneath. */
  readonly backing: string;
  readonly backingFormat: ImageFormat;
  readonly sizeMib: number;
}

/** Places of an overlay's tables in its file. */
export interface TablePlaces {
  readonly refcountTable: number;
  readonly l1: number;
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
  const image = Buffer.alloc(CLUSTER * CLUSTERS);
  encodeHeader(overlay, { refcountTable: CLUSTER, l1: CLUSTER * 3 }).copy(image);
  image.writeBigUInt64BE(BigInt(CLUSTER * 2), CLUSTER);
  for (let cluster = 0; cluster < CLUSTERS; cluster++) image.writeUInt16BE(1, CLUSTER * 2 + cluster * 2);
  return image;
}

/**
 * The header of an overlay: its fields, the format of the backing file and its name.
 *
 * @throws RangeError when the format cannot hold the path or the size.
 */
export function encodeHeader(overlay: Overlay, places: TablePlaces): Buffer {
  if (!Number.isSafeInteger(overlay.sizeMib) || overlay.sizeMib < 1)
    throw new RangeError(`an image of ${overlay.sizeMib} MiB`);
  const size = overlay.sizeMib * 2 ** 20;
  const l1Size = Math.ceil(size / (CLUSTER * L2_ENTRIES));
  if (l1Size * 8 > CLUSTER) throw new RangeError(`an image of ${overlay.sizeMib} MiB`);
  const fields = Buffer.alloc(HEADER_FIELD_BYTES);
  fields.writeUInt32BE(MAGIC, 0);
  fields.writeUInt32BE(VERSION, 4);
  fields.writeUInt32BE(CLUSTER_BITS, 20);
  fields.writeBigUInt64BE(BigInt(size), 24);
  fields.writeUInt32BE(l1Size, 36);
  fields.writeBigUInt64BE(BigInt(places.l1), 40);
  fields.writeBigUInt64BE(BigInt(places.refcountTable), 48);
  fields.writeUInt32BE(1, 56);
  fields.writeBigUInt64BE(INCOMPATIBLE_EXTENDED_L2, 72);
  fields.writeUInt32BE(REFCOUNT_ORDER, 96);
  return withBacking(fields, overlay.backing, overlay.backingFormat);
}

/**
 * A header with these fields over another image.
 *
 * @param fields The first {@link HEADER_FIELD_BYTES} of a header.
 * @throws RangeError when the format cannot hold the path.
 */
export function withBacking(fields: Buffer, path: string, format: ImageFormat): Buffer {
  const name = Buffer.from(path, "utf8");
  // A relative path would be looked up beside the overlay, wherever that is moved to.
  if (!path.startsWith("/")) throw new RangeError(`backing path ${path} is not absolute`);
  if (name.length > MAX_BACKING_BYTES) throw new RangeError(`backing path of ${name.length} bytes`);
  const formatName = Buffer.from(format, "latin1");
  // Extensions are padded to eight bytes; an empty one ends the list.
  const nameAt = HEADER_FIELD_BYTES + 8 + 8 + 8;
  const header = Buffer.alloc(nameAt + name.length);
  fields.copy(header, 0, 0, HEADER_FIELD_BYTES);
  header.writeBigUInt64BE(BigInt(nameAt), 8);
  header.writeUInt32BE(name.length, 16);
  header.writeUInt32BE(HEADER_FIELD_BYTES, 100);
  header.writeUInt32BE(headerExtension.backingFormat, HEADER_FIELD_BYTES);
  header.writeUInt32BE(formatName.length, HEADER_FIELD_BYTES + 4);
  formatName.copy(header, HEADER_FIELD_BYTES + 8);
  name.copy(header, nameAt);
  return header;
}
