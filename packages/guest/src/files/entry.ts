import { defined, WrennError } from "@wrenn/core";
import type { guestChannel, FileEntry, FileType } from "@wrenn/protocol";
import { decodeName } from "./names.ts";

const types: readonly (FileType | undefined)[] = [
  undefined,
  "file",
  "directory",
  "symlink",
  "character-device",
  "block-device",
  "fifo",
  "socket",
];

/** Reads one entry (guest protocol §6). */
export function readEntry(reader: guestChannel.BodyReader): FileEntry {
  const path = decodeName(reader.bytes());
  const type = types[reader.u8()];
  if (!type) throw new WrennError("guest_protocol", { problem: "an entry of unknown type" });
  const mode = reader.u32();
  const uid = reader.u32();
  const gid = reader.u32();
  const owner = decodeName(reader.bytes());
  const group = decodeName(reader.bytes());
  const size = reader.u64();
  const modifiedNs = reader.signed64();
  const inode = reader.bigint();
  reader.u32();
  const link = decodeName(reader.bytes());
  const targetType = types[reader.u8()];
  return {
    name: path === "/" ? "/" : path.slice(path.lastIndexOf("/") + 1),
    path,
    type,
    mode,
    owner,
    group,
    uid,
    gid,
    size,
    modifiedNs,
    inode,
    ...(type === "symlink" ? { symlinkTarget: link } : {}),
    ...defined({ targetType }),
  };
}
