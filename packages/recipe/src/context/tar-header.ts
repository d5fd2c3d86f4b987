/** A file, directory or link in a tar archive. */
export interface TarHeader {
  /** Of directories without a slash at the end. */
  readonly path: string;
  readonly type: "file" | "directory" | "link" | "hard-link";
  readonly mode: number;
  readonly size: number;
  readonly mtimeSec: number;
  /** What a link contains, or the path of the same file in the archive. */
  readonly target: string | undefined;
}

const BLOCK = 512;
const TYPE_FLAGS = { file: "0", "hard-link": "1", link: "2", directory: "5" } as const;
/** The largest number in a field of eleven octal digits. */
const MAX_OCTAL = 0o77777777777;

/** The header of a member, owned by root by number; where ustar has no room for it, with an extended header of POSIX before it. */
export function tarHeader(header: TarHeader): Uint8Array {
  const path = header.type === "directory" ? `${header.path}/` : header.path;
  const target = header.target ?? "";
  const extended = [
    ...(fits(path) ? [] : [extendedRecord("path", path)]),
    ...(fits(target) ? [] : [extendedRecord("linkpath", target)]),
    ...(header.size <= MAX_OCTAL ? [] : [extendedRecord("size", String(header.size))]),
  ];
  const plain = ustarBlock({ ...header, path, target, flag: TYPE_FLAGS[header.type] });
  if (extended.length === 0) return plain;
  const records = Buffer.concat(extended);
  const about = { path: "PaxHeader", mode: 0o644, mtimeSec: header.mtimeSec, target: "", flag: "x" };
  return Buffer.concat([
    ustarBlock({ ...about, size: records.length }),
    records,
    Buffer.alloc(tarPadding(records.length)),
    plain,
  ]);
}

/** Bytes after a member of this size, up to the next block. */
export function tarPadding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

/** What ends an archive. */
export function tarEnd(): Uint8Array {
  return Buffer.alloc(2 * BLOCK);
}

/** Short names of ASCII are the same to every reader. */
function fits(text: string): boolean {
  return text.length <= 100 && /^[\u0020-\u007e]*$/.test(text);
}

/** `LENGTH name=value`, where the length counts its own digits. */
function extendedRecord(name: string, value: string): Buffer {
  const rest = Buffer.byteLength(` ${name}=${value}\n`);
  let length = rest + String(rest).length;
  length = rest + String(length).length;
  return Buffer.from(`${length} ${name}=${value}\n`);
}

function ustarBlock(fields: {
  readonly path: string;
  readonly mode: number;
  readonly size: number;
  readonly mtimeSec: number;
  readonly target: string;
  readonly flag: string;
}): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, digits: number): void => {
    block.write(value.toString(8).padStart(digits, "0"), at, digits, "latin1");
  };
  Buffer.from(fields.path).copy(block, 0, 0, 100);
  octal(fields.mode & 0o7777, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(Math.min(fields.size, MAX_OCTAL), 124, 11);
  octal(Math.min(Math.max(0, fields.mtimeSec), MAX_OCTAL), 136, 11);
  block.fill(" ", 148, 156);
  block.write(fields.flag, 156, "latin1");
  Buffer.from(fields.target).copy(block, 157, 0, 100);
  block.write("ustar\u000000", 257, "latin1");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}
