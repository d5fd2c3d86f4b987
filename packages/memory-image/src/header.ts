import { crc32 } from "node:zlib";
import { WrennError } from "@wrenn/core";
import { problemOfMapping } from "./mapping.ts";
import type { Extent, Mapping } from "./mapping.ts";
import { pageSize } from "./page.ts";

/** What a generation is made of: which file holds which page, and checksums of its own file. */
export interface Header {
  readonly id: string;
  /** The immutable memory image that the chain starts from. */
  readonly base: string;
  /** The generation that this one was laid over; the base for the first. */
  readonly parent: string;
  /** Counts up by one along a chain. */
  readonly position: number;
  /** Bytes. */
  readonly memorySize: number;
  readonly mapping: Mapping;
  /** CRC32 of each {@link checksumGroup} bytes of the data in the generation's own file. */
  readonly checksums: Uint32Array;
}

/** Bytes of a generation file that one checksum covers. */
export const checksumGroup = 64 * pageSize;

const magic = Buffer.from("WRENNMEM");
const version = 1;
const metadataSize = 96;
const extentSize = 40;
/** Largest guest memory, in bytes: 1 TiB. Bounds what a hostile header can make the reader believe. */
const maxMemory = 2 ** 40;
const crcOffset = 92;

/** Header as bytes: 96 bytes of metadata, 40 per extent, 4 per checksum, all little-endian. */
export function encodeHeader(header: Header): Buffer {
  const extentsEnd = metadataSize + header.mapping.length * extentSize;
  const bytes = Buffer.alloc(extentsEnd + header.checksums.length * 4);
  magic.copy(bytes, 0);
  bytes.writeUInt32LE(version, 8);
  bytes.writeUInt32LE(pageSize, 12);
  bytes.writeBigUInt64LE(BigInt(header.memorySize), 16);
  bytes.writeBigUInt64LE(BigInt(header.position), 24);
  writeId(bytes, header.id, 32);
  writeId(bytes, header.base, 48);
  writeId(bytes, header.parent, 64);
  bytes.writeUInt32LE(header.mapping.length, 80);
  bytes.writeUInt32LE(header.checksums.length, 84);
  for (const [index, extent] of header.mapping.entries()) {
    const at = metadataSize + index * extentSize;
    bytes.writeBigUInt64LE(BigInt(extent.offset), at);
    bytes.writeBigUInt64LE(BigInt(extent.length), at + 8);
    writeId(bytes, extent.source, at + 16);
    bytes.writeBigUInt64LE(BigInt(extent.sourceOffset), at + 32);
  }
  for (const [index, sum] of header.checksums.entries()) bytes.writeUInt32LE(sum, extentsEnd + index * 4);
  bytes.writeUInt32LE(crc32(bytes), crcOffset);
  return bytes;
}

/**
 * Reads a header that anyone may have damaged.
 *
 * @param what Names the file in errors.
 * @throws WrennError `snapshot_corrupt` naming the field that is wrong.
 */
export function decodeHeader(bytes: Buffer, what: string): Header {
  const fail = (problem: string): never => {
    throw new WrennError("snapshot_corrupt", { what, problem });
  };
  if (bytes.length < metadataSize) fail("header is cut short");
  if (!bytes.subarray(0, 8).equals(magic)) fail("magic is wrong");
  if (bytes.readUInt32LE(8) !== version) fail(`version ${bytes.readUInt32LE(8)} is unknown`);
  if (bytes.readUInt32LE(12) !== pageSize) fail("block_size is not 4096");
  const memorySize = Number(bytes.readBigUInt64LE(16));
  if (memorySize === 0 || memorySize > maxMemory || memorySize % pageSize !== 0) {
    fail("memory_size is out of range");
  }
  const position = Number(bytes.readBigUInt64LE(24));
  if (!Number.isSafeInteger(position)) fail("position is out of range");
  const extents = bytes.readUInt32LE(80);
  const sums = bytes.readUInt32LE(84);
  const extentsEnd = metadataSize + extents * extentSize;
  if (bytes.length !== extentsEnd + sums * 4) fail("length does not fit mapping_count and checksum_count");
  const copy = Buffer.from(bytes);
  copy.writeUInt32LE(0, crcOffset);
  if (crc32(copy) !== bytes.readUInt32LE(crcOffset)) fail("crc is wrong");
  const mapping: Extent[] = [];
  for (let at = metadataSize; at < extentsEnd; at += extentSize) {
    mapping.push({
      offset: Number(bytes.readBigUInt64LE(at)),
      length: Number(bytes.readBigUInt64LE(at + 8)),
      source: readId(bytes, at + 16),
      sourceOffset: Number(bytes.readBigUInt64LE(at + 32)),
    });
  }
  const problem = problemOfMapping(mapping, memorySize);
  if (problem !== undefined) fail(problem);
  const checksums = Uint32Array.from({ length: sums }, (_, index) =>
    bytes.readUInt32LE(extentsEnd + index * 4),
  );
  const [id, base, parent] = [readId(bytes, 32), readId(bytes, 48), readId(bytes, 64)];
  return { id, base, parent, position, memorySize, mapping, checksums };
}

function writeId(bytes: Buffer, id: string, at: number): void {
  bytes.write(id.replaceAll("-", ""), at, 16, "hex");
}

function readId(bytes: Buffer, at: number): string {
  const hex = bytes.toString("hex", at, at + 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
