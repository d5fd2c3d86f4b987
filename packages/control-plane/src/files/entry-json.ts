import { defined } from "@wrenn/core";
import type { FileEntry, FileType } from "@wrenn/protocol";
import { Type } from "typebox";

export const Entry = Type.Object(
  {
    name: Type.String(),
    path: Type.String(),
    type: Type.String({ description: "file, directory or symlink; what else there is stands in `kind`" }),
    kind: Type.String({
      description: "file, directory, symlink, character-device, block-device, fifo or socket",
    }),
    size: Type.Integer(),
    mode: Type.Integer({ description: "Permission bits" }),
    permissions: Type.String({ description: "As ls shows them" }),
    owner: Type.String(),
    group: Type.String(),
    modified_at: Type.Integer({ description: "Unix seconds" }),
    symlink_target: Type.Optional(Type.String()),
  },
  { description: "A file. Bytes of names that are not UTF-8 stand as U+DC80 to U+DCFF" },
);

/** An entry (docs/reference/rest-api.md#files): a link shows the type of its target, and only three types exist. */
export function entryJson(entry: FileEntry) {
  const shown = entry.type === "symlink" ? (entry.targetType ?? "symlink") : entry.type;
  return {
    name: entry.name,
    path: entry.path,
    type: shown === "directory" || shown === "symlink" ? shown : "file",
    kind: entry.type,
    size: entry.size,
    mode: entry.mode & 0o7777,
    permissions: permissions(entry),
    owner: entry.owner,
    group: entry.group,
    modified_at: Number(entry.modifiedNs / 1_000_000_000n),
    ...defined({ symlink_target: entry.symlinkTarget }),
  };
}

const letters: Readonly<Record<FileType, string>> = {
  file: "-",
  directory: "d",
  symlink: "l",
  "character-device": "c",
  "block-device": "b",
  fifo: "p",
  socket: "s",
};

/** Set-id and sticky bits take the place of the execute letter: its own bit, shift of its class, letter. */
const special = [
  { bit: 0o4000, execute: 0o100, letter: "s", at: 2 },
  { bit: 0o2000, execute: 0o010, letter: "s", at: 5 },
  { bit: 0o1000, execute: 0o001, letter: "t", at: 8 },
] as const;

function permissions({ type, mode }: FileEntry): string {
  const bits = Array.from("rwxrwxrwx", (letter, index) => (mode & (0o400 >> index) ? letter : "-"));
  for (const { bit, execute, letter, at } of special)
    if (mode & bit) bits[at] = mode & execute ? letter : letter.toUpperCase();
  return letters[type] + bits.join("");
}
