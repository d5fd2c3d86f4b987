import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { defined, WrennError } from "@wrenn/core";
import type { FileEntry, FileOptions, FileType as GuestFileType } from "@wrenn/protocol";
import type { EnvdSandbox } from "../envd-sandbox.ts";
import { EntryInfoSchema, FileType } from "../generated/filesystem_pb.ts";
import type { EntryInfo } from "../generated/filesystem_pb.ts";
import { readMetadata } from "./metadata.ts";

const PERMISSIONS = 0o777;
const SET_UID = 0o4000;
const SET_GID = 0o2000;
const STICKY = 0o1000;

const types: Partial<Readonly<Record<GuestFileType, FileType>>> = {
  file: FileType.FILE,
  directory: FileType.DIRECTORY,
};

const letters: Readonly<Record<GuestFileType, string>> = {
  file: "-",
  directory: "d",
  symlink: "l",
  "character-device": "c",
  "block-device": "b",
  fifo: "p",
  socket: "s",
};

/** Entries as clients know them, in the same order. A link has type, mode and resolved path of what it leads to. */
export async function entryInfos(
  entries: readonly FileEntry[],
  files: EnvdSandbox["files"],
  options: FileOptions,
): Promise<EntryInfo[]> {
  const metadata = await readMetadata(
    files,
    entries.filter(({ type, targetType }) => (targetType ?? type) === "file").map(({ path }) => path),
    options,
  );
  const infos: EntryInfo[] = [];
  for (const entry of entries) {
    const target = entry.type === "symlink" ? await targetOf(entry, files, options) : undefined;
    infos.push(entryInfo(entry, target, metadata.get(entry.path) ?? {}));
  }
  return infos;
}

function entryInfo(
  entry: FileEntry,
  target: FileEntry | undefined,
  metadata: Readonly<Record<string, string>>,
): EntryInfo {
  const { type, mode } = target ?? entry;
  const isDangling = entry.type === "symlink" && !target;
  return create(EntryInfoSchema, {
    name: entry.name,
    type: isDangling ? FileType.UNSPECIFIED : (types[type] ?? FileType.UNSPECIFIED),
    path: entry.path,
    size: BigInt((target ?? entry).size),
    mode: mode & PERMISSIONS,
    permissions: permissionsOf(type, mode),
    owner: entry.owner,
    group: entry.group,
    modifiedTime: timestampFromMs(Number(entry.modifiedNs / 1_000_000n)),
    metadata: { ...metadata },
    ...defined({ symlinkTarget: target?.path ?? entry.symlinkTarget }),
  });
}

/** What a link leads to; undefined when it leads nowhere, or where the user may not look. */
async function targetOf(
  { path }: FileEntry,
  files: EnvdSandbox["files"],
  options: FileOptions,
): Promise<FileEntry | undefined> {
  try {
    return await files.stat(path, { ...options, follow: true });
  } catch (error) {
    const isDangling = ["path_not_found", "path_invalid", "not_a_directory", "permission_denied"];
    if (error instanceof WrennError && isDangling.includes(error.reason)) return undefined;
    throw error;
  }
}

/** Type and permissions as `ls -l` prints them. */
export function permissionsOf(type: GuestFileType, mode: number): string {
  const triple = (bits: number, special: boolean, letter: string): string => {
    const execute = (bits & 1) !== 0;
    const last = special ? (execute ? letter : letter.toUpperCase()) : execute ? "x" : "-";
    return `${(bits & 4) === 0 ? "-" : "r"}${(bits & 2) === 0 ? "-" : "w"}${last}`;
  };
  return (
    letters[type] +
    triple(mode >> 6, (mode & SET_UID) !== 0, "s") +
    triple(mode >> 3, (mode & SET_GID) !== 0, "s") +
    triple(mode, (mode & STICKY) !== 0, "t")
  );
}
