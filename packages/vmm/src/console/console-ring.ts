import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { hasCode } from "@wrenn/system";

/** Name, in a machine's directory, of what its supervisor keeps of its console. */
export const CONSOLE_RING = "console.ring";

/* The header, as native/jail/src/console.h has it. */
const MAGIC = "WRENNCON";
const VERSION = 1;
const HEADER_BYTES = 32;
/** Of one write: so many of the oldest bytes may be replaced while they are read. */
const WRITE_BYTES = 16_384;
const MOST_CAPACITY = 16 << 20;

/** A part of what a machine wrote to its console. */
export interface ConsoleBytes {
  /** Names the file for as long as it exists. */
  readonly file: string;
  /** Of the first byte among all that were written. */
  readonly start: number;
  readonly bytes: Buffer;
}

/**
 * Reads the newest bytes from `from` on, at most `most`.
 *
 * @param directory - of the machine.
 * @returns undefined when there is no console: before a start, and for machines that earlier versions started.
 */
export async function readConsole(
  directory: string,
  range: (file: string) => { readonly from: number; readonly most: number },
): Promise<ConsoleBytes | undefined> {
  await using file = await openRing(join(directory, CONSOLE_RING));
  if (!file) return undefined;
  const stats = await file.stat();
  if (!stats.isFile()) return undefined;
  // An inode number alone would be that of the next machine's file as well.
  const name = `${stats.ino}-${stats.birthtimeMs}`;
  const before = await readHeader(file);
  if (!before) return undefined;
  const { from, most } = range(name);
  const { capacity, total } = before;
  const first = Math.max(from, total - most, total - capacity, 0);
  const bytes = Buffer.alloc(Math.max(0, total - first));
  for (let at = first; at < total;) {
    const place = at % capacity;
    const length = Math.min(capacity - place, total - at);
    const { bytesRead } = await file.read(bytes, at - first, length, HEADER_BYTES + place);
    if (bytesRead === 0) return undefined;
    at += bytesRead;
  }
  const after = (await readHeader(file)) ?? before;
  const start = Math.min(total, Math.max(first, after.total + WRITE_BYTES - capacity));
  return { file: name, start, bytes: bytes.subarray(start - first) };
}

async function openRing(path: string): Promise<Awaited<ReturnType<typeof open>> | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (hasCode(error, "ENOENT", "ELOOP")) return undefined;
    throw error;
  }
}

async function readHeader(
  file: Awaited<ReturnType<typeof open>>,
): Promise<{ readonly capacity: number; readonly total: number } | undefined> {
  const header = Buffer.alloc(HEADER_BYTES);
  const { bytesRead } = await file.read(header, 0, HEADER_BYTES, 0);
  if (bytesRead < HEADER_BYTES || header.toString("latin1", 0, 8) !== MAGIC) return undefined;
  const [version, capacity] = [header.readUInt32LE(8), header.readUInt32LE(12)];
  const total = header.readBigUInt64LE(16);
  if (version !== VERSION || capacity <= WRITE_BYTES || capacity > MOST_CAPACITY) return undefined;
  return total > BigInt(Number.MAX_SAFE_INTEGER) ? undefined : { capacity, total: Number(total) };
}
