import { defined, textOfBytes, WrennError } from "@wrenn/core";
import type { guestChannel, FileEntry, FileType } from "@wrenn/protocol";

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
  const path = textOfBytes(reader.bytes());
  const type = types[reader.u8()];
  if (!type) throw new WrennError("guest_protocol", { problem: "an entry of unknown type" });
  const mode = reader.u32();
  const uid = reader.u32();
  const gid = reader.u32();
  const owner = textOfBytes(reader.bytes());
  const group = textOfBytes(reader.bytes());
  const size = reader.u64();
  const modifiedNs = reader.signed64();
  const inode = reader.bigint();
  reader.u32();
  const link = textOfBytes(reader.bytes());
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
