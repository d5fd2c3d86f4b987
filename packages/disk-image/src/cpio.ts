/** One member of an initramfs. */
export interface CpioEntry {
  /** Without leading slash. */
  readonly path: string;
  /** File type and permission bits, as st_mode. */
  readonly mode: number;
  readonly data?: Uint8Array;
  /** For device nodes. */
  readonly device?: { readonly major: number; readonly minor: number };
}

export const fileKind = { directory: 0o040_000, file: 0o100_000, characterDevice: 0o020_000 } as const;

/** A cpio archive in the "newc" format, as the kernel unpacks it (Linux, Documentation/driver-api/early-userspace/buffer-format.rst). */
export function writeCpio(entries: readonly CpioEntry[]): Buffer {
  const parts: Buffer[] = [];
  for (const [index, entry] of entries.entries()) parts.push(...member(entry, index + 1));
  parts.push(...member({ path: "TRAILER!!!", mode: 0 }, 0));
  return Buffer.concat(parts);
}

function member(entry: CpioEntry, inode: number): Buffer[] {
  const data = entry.data ?? new Uint8Array();
  const name = Buffer.from(`${entry.path}\0`, "utf8");
  const fields = [
    inode,
    entry.mode,
    0,
    0,
    (entry.mode & fileKind.directory) === fileKind.directory ? 2 : 1,
    0,
    data.length,
    0,
    0,
    entry.device?.major ?? 0,
    entry.device?.minor ?? 0,
    name.length,
    0,
  ];
  const header = Buffer.from(
    `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`,
    "latin1",
  );
  return [header, name, padding(header.length + name.length), Buffer.from(data), padding(data.length)];
}

function padding(length: number): Buffer {
  return Buffer.alloc((4 - (length % 4)) % 4);
}
