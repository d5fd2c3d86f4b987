import { open } from "node:fs/promises";
import { WrennError } from "@wrenn/core";
import { runCommand } from "@wrenn/system";

const MAGIC = 0x51_46_49_fb;
const HEADER_BYTES = 104;
/** Of the format, for the name of a backing file. */
const MAX_BACKING_BYTES = 1023;
/** Extended L2 entries: the one incompatible feature of our overlays. An external data file would be another (bit 2). */
const PERMITTED_FEATURES = 1n << 4n;

/** What the header of an overlay says (QEMU, docs/interop/qcow2.txt). */
export interface OverlayHeader {
  /** Path of the image underneath; undefined when there is none. */
  readonly backing: string | undefined;
  /** Of the disk that a guest sees. */
  readonly sizeBytes: number;
}

/**
 * Reads the header of an overlay that may come from elsewhere, without a program that would open the files that it names.
 *
 * @throws WrennError `operation_failed` for a file that is not a plain overlay: one with an external data file, encryption or snapshots.
 */
export async function readOverlayHeader(path: string): Promise<OverlayHeader> {
  const refuse = (problem: string): never => {
    throw new WrennError("operation_failed", { operation: `reading the disk ${path}`, problem });
  };
  const file = await open(path, "r");
  try {
    const header = Buffer.alloc(HEADER_BYTES);
    const { bytesRead } = await file.read(header, 0, HEADER_BYTES, 0);
    if (bytesRead < HEADER_BYTES || header.readUInt32BE(0) !== MAGIC || header.readUInt32BE(4) !== 3)
      return refuse("it is not a qcow2 image of version 3");
    if ((header.readBigUInt64BE(72) & ~PERMITTED_FEATURES) !== 0n)
      return refuse("it has features that overlays of capsules do not have");
    if (header.readUInt32BE(32) !== 0) return refuse("it is encrypted");
    if (header.readUInt32BE(60) !== 0) return refuse("it has snapshots");
    const [nameAt, nameBytes] = [Number(header.readBigUInt64BE(8)), header.readUInt32BE(16)];
    const sizeBytes = Number(header.readBigUInt64BE(24));
    if (nameAt === 0) return { backing: undefined, sizeBytes };
    if (nameBytes > MAX_BACKING_BYTES) return refuse(`the name of its image has ${nameBytes} bytes`);
    const name = Buffer.alloc(nameBytes);
    await file.read(name, 0, nameBytes, nameAt);
    return { backing: name.toString("utf8"), sizeBytes };
  } finally {
    await file.close();
  }
}

/** A part of a file that is not a hole. */
export interface DataExtent {
  readonly start: number;
  readonly length: number;
}

/**
 * The parts of a file that may have data, in their order. What lies between them is zeros.
 *
 * @throws WrennError `command_failed`, `operation_failed`.
 */
export async function dataExtents(path: string, signal: AbortSignal): Promise<readonly DataExtent[]> {
  const { stdout } = await runCommand(
    ["qemu-img", "map", "--force-share", "--output=json", "-f", "raw", path],
    { signal },
  );
  const extents = JSON.parse(stdout) as unknown;
  if (!Array.isArray(extents))
    throw new WrennError("operation_failed", { operation: `mapping ${path}`, problem: "it has no extents" });
  return (extents as readonly (DataExtent & { readonly data: boolean })[])
    .filter(({ data }) => data)
    .map(({ start, length }) => ({ start, length }));
}
