import { byteString } from "./byte-string.ts";
import { TarError } from "./tar-error.ts";

export const BLOCK = 512;

/** The fields of a header block, as they are written. */
export interface HeaderFields {
  /** One character; `\0` in archives before POSIX. */
  readonly flag: string;
  readonly name: string;
  readonly target: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly major: number;
  readonly minor: number;
}

/**
 * Reads a header block: POSIX ustar (pax specification, "ustar Interchange Format"), GNU tar (manual, "Basic Tar Format"), and what was
 * before them.
 *
 * @throws TarError
 */
export function parseHeader(block: Buffer): HeaderFields {
  checkSum(block);
  const name = textField(block, 0, 100);
  const magic = block.toString("latin1", 257, 263);
  const isStar = block.toString("latin1", 508, 512) === "tar\0";
  const prefix = magic === "ustar\0" ? textField(block, 345, isStar ? 131 : 155) : "";
  const isOld = !magic.startsWith("ustar");
  return {
    flag: block.toString("latin1", 156, 157),
    name: prefix === "" ? name : `${prefix}/${name}`,
    target: textField(block, 157, 100),
    mode: numberField(block, 100, 8),
    uid: numberField(block, 108, 8),
    gid: numberField(block, 116, 8),
    size: numberField(block, 124, 12),
    mtime: numberField(block, 136, 12),
    major: isOld ? 0 : numberField(block, 329, 8),
    minor: isOld ? 0 : numberField(block, 337, 8),
  };
}

/** Bytes after a member of this size, up to the next block. */
export function paddingOf(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

const ZEROS = Buffer.alloc(BLOCK);

/** Whether a block ends an archive. */
export function isEmptyBlock(block: Buffer): boolean {
  return block.equals(ZEROS);
}

/**
 * Octal digits between blanks, or with the first bit set a number in base 256 and two's complement (GNU tar manual, "Basic Tar Format").
 *
 * @throws TarError where it is neither, or too large to be exact.
 */
export function numberField(block: Buffer, start: number, length: number): number {
  const first = block[start] ?? 0;
  if ((first & 0x80) !== 0) {
    let value = (first & 0x40) !== 0 ? (first | 0x80) - 0x100 : first & 0x3f;
    for (const byte of block.subarray(start + 1, start + length)) value = value * 256 + byte;
    if (!Number.isSafeInteger(value)) throw new TarError("a number in a header is too large");
    return value;
  }
  const text = textField(block, start, length).trim();
  if (text === "") return 0;
  if (!/^[0-7]+$/.test(text)) throw new TarError("a number in a header is not octal");
  return Number.parseInt(text, 8);
}

/** A text up to its first NUL. */
function textField(block: Buffer, start: number, length: number): string {
  const field = block.subarray(start, start + length);
  const end = field.indexOf(0);
  return byteString(end === -1 ? field : field.subarray(0, end));
}

/** The sum of all bytes, with blanks in place of the sum; old tars added signed bytes. */
function checkSum(block: Buffer): void {
  let unsigned = 8 * 32;
  let negative = 0;
  for (let at = 0; at < BLOCK; at += 1) {
    if (at >= 148 && at < 156) continue;
    const byte = block[at] ?? 0;
    unsigned += byte;
    if (byte >= 128) negative += 256;
  }
  const [said] = /[0-7]+/.exec(textField(block, 148, 8)) ?? [];
  const sum = Number.parseInt(said ?? "", 8);
  if (sum !== unsigned && sum !== unsigned - negative)
    throw new TarError("a header has a wrong check sum: this is no tar archive, or it is damaged");
}
