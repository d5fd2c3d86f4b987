import { bytesOfString } from "./byte-string.ts";
import type { SparsePiece, Timestamp } from "./tar-entry.ts";
import { BLOCK, paddingOf } from "./tar-header.ts";

/** A member to write. Names are byte strings. */
export interface TarMember {
  readonly type: "file" | "directory" | "symlink" | "hard-link" | "fifo";
  readonly name: string;
  readonly target: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Timestamp;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  /** Bytes of a file as programs see it. */
  readonly size: number;
  /** Undefined: all bytes follow. Else only those of the pieces do. */
  readonly pieces: readonly SparsePiece[] | undefined;
}

const FLAGS = { file: "0", "hard-link": "1", symlink: "2", directory: "5", fifo: "6" } as const;
const MAX_OCTAL_ID = 0o7777777;
const MAX_OCTAL = 0o77777777777;

/** What ends an archive. */
export const ARCHIVE_END: Uint8Array = Buffer.alloc(2 * BLOCK);

/**
 * The headers of a member for GNU tar, and for a sparse file the map before its contents (GNU tar manual, "PAX Format, Version 1.0").
 * Long names are in GNU's own headers, which no locale converts; the rest is in an extended header of POSIX where ustar has no room.
 */
export function memberHeader(member: TarMember): Buffer {
  const map = member.pieces && sparseMap(member.pieces, member.size);
  const stored =
    member.pieces?.reduce((total, { length }) => total + length, map?.length ?? 0) ?? member.size;
  const records = recordsOf(member, stored);
  return Buffer.concat([
    ...longHeader("K", member.target),
    ...longHeader("L", member.name),
    ...(records.length === 0 ? [] : [extension("x", Buffer.concat(records))]),
    block({ ...member, size: stored, flag: FLAGS[member.type] }),
    ...(map ? [map] : []),
  ]);
}

function recordsOf(member: TarMember, stored: number): readonly Buffer[] {
  const { mtime, uid, gid, xattrs, pieces, size } = member;
  const records: Buffer[] = [];
  const add = (keyword: string, value: string | Uint8Array): void => {
    records.push(record(keyword, typeof value === "string" ? Buffer.from(value, "latin1") : value));
  };
  if (mtime.nanoseconds !== 0 || mtime.seconds < 0 || mtime.seconds > MAX_OCTAL)
    add("mtime", timeText(mtime));
  if (uid > MAX_OCTAL_ID) add("uid", String(uid));
  if (gid > MAX_OCTAL_ID) add("gid", String(gid));
  if (stored > MAX_OCTAL) add("size", String(stored));
  for (const [name, value] of xattrs) add(`SCHILY.xattr.${name}`, value);
  if (pieces) {
    add("GNU.sparse.major", "1");
    add("GNU.sparse.minor", "0");
    add("GNU.sparse.name", member.name);
    add("GNU.sparse.realsize", String(size));
  }
  return records;
}

/** The count of the pieces, then places and lengths, filled up to a block. An empty piece at the end gives the size of the file. */
function sparseMap(pieces: readonly SparsePiece[], size: number): Buffer {
  const all = [...pieces, { at: size, length: 0 }];
  const numbers = [all.length, ...all.flatMap(({ at, length }) => [at, length])];
  const text = Buffer.from(`${numbers.join("\n")}\n`);
  return Buffer.concat([text, Buffer.alloc(paddingOf(text.length))]);
}

/** Before 1970 the fraction counts backwards: -0.5 is half a second before. */
function timeText({ seconds, nanoseconds }: Timestamp): string {
  const isBefore = seconds < 0 && nanoseconds !== 0;
  const whole = isBefore ? -(seconds + 1) : Math.abs(seconds);
  const fraction = isBefore ? 1_000_000_000 - nanoseconds : nanoseconds;
  return `${seconds < 0 ? "-" : ""}${whole}.${String(fraction).padStart(9, "0")}`;
}

/** `LENGTH keyword=value\n`, where the length counts its own digits. */
function record(keyword: string, value: Uint8Array): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${keyword}=`, "latin1"), value, Buffer.from("\n")]);
  let length = rest.length + String(rest.length).length;
  length = rest.length + String(length).length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

function longHeader(flag: "K" | "L", text: string): readonly Buffer[] {
  return text.length <= 100 ? [] : [extension(flag, bytesOfString(`${text}\0`))];
}

function extension(flag: string, data: Buffer): Buffer {
  const about = { name: "././@LongLink", target: "", mode: 0o644, uid: 0, gid: 0, size: data.length, flag };
  const header = block({ ...about, mtime: { seconds: 0, nanoseconds: 0 } });
  return Buffer.concat([header, data, Buffer.alloc(paddingOf(data.length))]);
}

function block(
  fields: Pick<TarMember, "name" | "target" | "mode" | "uid" | "gid" | "size" | "mtime"> & {
    readonly flag: string;
  },
): Buffer {
  const bytes = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, digits: number): void => {
    bytes.write(value.toString(8).padStart(digits, "0"), at, digits, "latin1");
  };
  bytes.write(fields.name, 0, 100, "latin1");
  octal(fields.mode & 0o7777, 100, 7);
  octal(Math.min(fields.uid, MAX_OCTAL_ID), 108, 7);
  octal(Math.min(fields.gid, MAX_OCTAL_ID), 116, 7);
  octal(Math.min(fields.size, MAX_OCTAL), 124, 11);
  octal(Math.min(Math.max(0, fields.mtime.seconds), MAX_OCTAL), 136, 11);
  bytes.fill(" ", 148, 156);
  bytes.write(fields.flag, 156, "latin1");
  bytes.write(fields.target, 157, 100, "latin1");
  bytes.write("ustar\u000000", 257, "latin1");
  let sum = 0;
  for (const byte of bytes) sum += byte;
  bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return bytes;
}
