import { isUtf8 } from "node:buffer";
import { WrennError } from "@wrenn/core";
import { openImage } from "./image-file.ts";
import type { OpenImage } from "./image-file.ts";
import {
  CLUSTER,
  CLUSTER_BITS,
  HEADER_FIELD_BYTES,
  headerExtension,
  INCOMPATIBLE_EXTENDED_L2,
  L2_ENTRIES,
  MAGIC,
  MAX_BACKING_BYTES,
  REFCOUNT_ORDER,
  VERSION,
} from "./qcow2.ts";
import type { ImageFormat } from "./qcow2.ts";

/** Everything that is read of a header: its fields, its extensions and the name of the backing file. */
export const HEADER_BYTES = 4096;
/** Length of the fields with the type of compression, which QEMU adds when it rewrites a header. */
const EXTENDED_FIELD_BYTES = 112;
const MIB = 2 ** 20;
/** The format admits any offset below this. */
const MAX_OFFSET = 2n ** 56n;

/** The image that an overlay lies over. */
export interface BackingImage {
  readonly path: string;
  readonly format: ImageFormat;
}

/** The header of an overlay (QEMU, docs/interop/qcow2.txt). */
export interface OverlayHeader {
  /** Undefined when there is none. */
  readonly backing: BackingImage | undefined;
  /** Of the disk that a guest sees: whole MiB. */
  readonly sizeBytes: number;
  /** Where the table of L2 tables begins in the file, and how many of its entries the disk needs. */
  readonly l1: { readonly offset: number; readonly entries: number };
}

/**
 * Parses the header of an overlay whose bytes a VMM or another host may have written. Accepts what this server and QEMU write for
 * overlays of ours, and nothing else of the format. No file that the header names is opened.
 *
 * @param path Names the overlay in errors.
 * @param bytes The first 4 KiB of the file, or the whole file when that is shorter.
 * @throws WrennError `disk_image_refused`.
 */
export function parseOverlayHeader(path: string, bytes: Buffer): OverlayHeader {
  const refuse = (problem: string): never => {
    throw new WrennError("disk_image_refused", { path, problem });
  };
  if (
    bytes.length < EXTENDED_FIELD_BYTES ||
    bytes.readUInt32BE(0) !== MAGIC ||
    bytes.readUInt32BE(4) !== VERSION
  )
    return refuse("it is not a qcow2 image of version 3");
  const fields = bytes.readUInt32BE(100);
  if (fields !== HEADER_FIELD_BYTES && fields !== EXTENDED_FIELD_BYTES)
    return refuse("its header has another length");
  const [incompatible, compatible, autoclear] = [72, 80, 88].map((at) => bytes.readBigUInt64BE(at));
  if (incompatible !== INCOMPATIBLE_EXTENDED_L2 || compatible !== 0n || autoclear !== 0n)
    return refuse("it has features that overlays of capsules do not have");
  if (bytes.readUInt32BE(32) !== 0) return refuse("it is encrypted");
  if (bytes.readUInt32BE(60) !== 0) return refuse("it has snapshots");
  if (fields === EXTENDED_FIELD_BYTES && bytes.readBigUInt64BE(HEADER_FIELD_BYTES) !== 0n)
    return refuse("it is compressed");
  if (bytes.readUInt32BE(20) !== CLUSTER_BITS || bytes.readUInt32BE(96) !== REFCOUNT_ORDER)
    return refuse("its clusters have another size");
  const size = bytes.readBigUInt64BE(24);
  const sizeBytes = Number(size);
  const entries = Math.ceil(sizeBytes / (CLUSTER * L2_ENTRIES));
  if (sizeBytes === 0 || sizeBytes % MIB !== 0 || entries * 8 > CLUSTER || entries !== bytes.readUInt32BE(36))
    return refuse(`its disk has ${size} bytes`);
  const offset = bytes.readBigUInt64BE(40);
  if (offset === 0n || offset >= MAX_OFFSET || offset % BigInt(CLUSTER) !== 0n)
    return refuse("its table of clusters has no place");
  const { format, end } = readExtensions(bytes, fields, refuse);
  const name = readBackingName(bytes, end, refuse);
  if ((name === undefined) !== (format === undefined)) return refuse("its image has no format, or no name");
  return {
    backing: name === undefined || format === undefined ? undefined : { path: name, format },
    sizeBytes,
    l1: { offset: Number(offset), entries },
  };
}

/** Only what the server and QEMU write: the format of the backing file, and names of features. */
function readExtensions(
  bytes: Buffer,
  fields: number,
  refuse: (problem: string) => never,
): { readonly format: ImageFormat | undefined; readonly end: number } {
  let format: ImageFormat | undefined;
  for (let at = fields; at + 8 <= bytes.length;) {
    const [kind, length] = [bytes.readUInt32BE(at), bytes.readUInt32BE(at + 4)];
    if (kind === headerExtension.end) return { format, end: at + 8 };
    if (length > bytes.length - at - 8) break;
    if (kind === headerExtension.dataFile) return refuse("it has an external data file");
    if (kind === headerExtension.encryption) return refuse("it is encrypted");
    if (kind === headerExtension.backingFormat) {
      const text = bytes.toString("latin1", at + 8, at + 8 + length);
      if (format !== undefined || (text !== "raw" && text !== "qcow2"))
        return refuse("its image has another format than raw or qcow2");
      format = text;
    } else if (kind !== headerExtension.featureNames)
      return refuse(`it has the unknown extension 0x${kind.toString(16)}`);
    at += 8 + Math.ceil(length / 8) * 8;
  }
  return refuse("its extensions have no end");
}

function readBackingName(
  bytes: Buffer,
  extensionsEnd: number,
  refuse: (problem: string) => never,
): string | undefined {
  const [offset, length] = [bytes.readBigUInt64BE(8), bytes.readUInt32BE(16)];
  if (offset === 0n) return undefined;
  if (length === 0 || length > MAX_BACKING_BYTES) return refuse(`the name of its image has ${length} bytes`);
  if (offset < BigInt(extensionsEnd) || offset + BigInt(length) > BigInt(bytes.length))
    return refuse("the name of its image has no place");
  const name = bytes.subarray(Number(offset), Number(offset) + length);
  // Other bytes could name two files: one to this program, one to QEMU.
  if (!isUtf8(name)) return refuse("the name of its image is not UTF-8");
  return name.toString("utf8");
}

/**
 * Reads the header of an overlay that may come from elsewhere. No file that it names is opened.
 *
 * @throws WrennError `disk_image_refused` for a file that is not a plain overlay of a capsule; system errors.
 */
export async function readOverlayHeader(path: string): Promise<OverlayHeader> {
  await using image = await openImage(path);
  return await readHeaderOf(image);
}

/** The header of an open overlay; see {@link readOverlayHeader}. */
export async function readHeaderOf(image: OpenImage): Promise<OverlayHeader> {
  const bytes = Buffer.alloc(Math.min(HEADER_BYTES, image.sizeBytes));
  await image.read(bytes, 0);
  return parseOverlayHeader(image.path, bytes);
}
