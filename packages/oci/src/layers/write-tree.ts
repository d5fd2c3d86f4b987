import { readdir } from "node:fs/promises";
import type { OnImageProgress } from "../image/limits.ts";
import { ARCHIVE_END, memberHeader } from "../tar/tar-writer.ts";
import type { TarMember } from "../tar/tar-writer.ts";
import { BLOCK, paddingOf } from "../tar/tar-header.ts";
import type { FileInode, Inode } from "../tree/inode.ts";
import { ArchiveBatch } from "./archive-batch.ts";
import { extractArchive } from "./extract-archive.ts";
import type { UnpackedLayers } from "./unpack-layers.ts";

/** Progress is reported after this many bytes, and at the end. */
const PROGRESS_BYTES = 2 ** 20;

export interface WriteTreeOptions {
  readonly signal: AbortSignal;
  readonly progress?: OnImageProgress;
}

/** What was written of an image. */
export interface WrittenTree {
  /** Files, directories and links; hard links count once. */
  readonly inodes: number;
  /** Bytes of files that are stored. */
  readonly contentBytes: number;
}

/**
 * Writes the files of an image below a directory, which must be empty. An error or an abort may leave a part of them there.
 *
 * @throws WrennError `dependency_missing`, `disk_full` or `command_failed`; the signal's reason.
 */
export async function writeTree(
  layers: UnpackedLayers,
  directory: string,
  { signal, progress }: WriteTreeOptions,
): Promise<WrittenTree> {
  if ((await readdir(directory)).length > 0) throw new Error(`${directory} is not empty`);
  const plan = planMembers(layers.tree.root);
  const total = plan.files.reduce((sum, { inode }) => sum + storedBytes(inode), 0);
  let reported = 0;
  const onBytes = (done: number): void => {
    if (done < total && done - reported < PROGRESS_BYTES) return;
    reported = done;
    progress?.({ step: "write", done, total });
  };
  const pieces = archiveOf(plan, layers, onBytes, signal);
  await extractArchive(pieces, directory, signal);
  return {
    inodes: plan.directories.length + plan.files.length + plan.others.length,
    contentBytes: total,
  };
}

interface Named<T extends Inode> {
  readonly name: string;
  readonly inode: T;
}

interface MemberPlan {
  /** Each before what is in it. */
  readonly directories: readonly Named<Inode>[];
  /** In the order of their contents on disk, so that these are read from front to back. */
  readonly files: readonly Named<FileInode>[];
  readonly others: readonly Named<Inode>[];
  /** Further names of inodes, with the first one as target. */
  readonly links: readonly { readonly name: string; readonly target: string }[];
}

function planMembers(root: Inode): MemberPlan {
  const directories: Named<Inode>[] = [];
  const files: Named<FileInode>[] = [];
  const others: Named<Inode>[] = [];
  const links: { name: string; target: string }[] = [];
  const names = new Map<Inode, string>();
  const pending: Named<Inode>[] = [{ name: ".", inode: root }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { name, inode } = next;
    if (inode.type === "directory") {
      directories.push(next);
      for (const [child, entry] of inode.names)
        pending.push({ name: `${name}/${child}`, inode: entry.inode });
      continue;
    }
    const first = names.get(inode);
    if (first !== undefined) {
      links.push({ name, target: first });
      continue;
    }
    names.set(inode, name);
    if (inode.type === "file") files.push({ name, inode });
    else others.push(next);
  }
  files.sort(
    ({ inode: one }, { inode: other }) =>
      one.content.layer - other.content.layer || one.content.offset - other.content.offset,
  );
  return { directories, files, others, links };
}

/** Each piece is to be used before the next one is asked for. */
async function* archiveOf(
  { directories, files, others, links }: MemberPlan,
  { spools }: UnpackedLayers,
  onBytes: (done: number) => void,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const batch = new ArchiveBatch();
  let done = 0;
  for (const named of directories) yield* batch.add(memberHeader(memberOf(named)));
  for (const named of files) {
    signal.throwIfAborted();
    yield* batch.add(memberHeader(memberOf(named)));
    const { offset, layer } = named.inode.content;
    const stored = storedBytes(named.inode);
    for (let at = 0; at < stored;) {
      const room = batch.room(stored - at);
      await spools[layer]?.readInto(room, offset + at);
      at += room.length;
      done += room.length;
      yield* batch.filled(room.length);
    }
    yield* batch.add(PADDING.subarray(0, paddingOf(stored)));
    onBytes(done);
  }
  for (const named of others) yield* batch.add(memberHeader(memberOf(named)));
  for (const link of links) yield* batch.add(memberHeader({ ...LINK, ...link }));
  yield* batch.add(ARCHIVE_END);
  yield* batch.rest();
}

const PADDING = Buffer.alloc(BLOCK);

const LINK: Omit<TarMember, "name" | "target"> = {
  type: "hard-link",
  mode: 0,
  uid: 0,
  gid: 0,
  mtime: { seconds: 0, nanoseconds: 0 },
  xattrs: new Map(),
  size: 0,
  pieces: undefined,
};

function memberOf({ name, inode }: Named<Inode>): TarMember {
  return {
    ...inode.attributes,
    type: inode.type,
    name,
    target: inode.type === "symlink" ? inode.target : "",
    size: inode.type === "file" ? inode.content.size : 0,
    pieces: inode.type === "file" ? inode.content.pieces : undefined,
  };
}

/** Bytes of a file that the archive of its layer has. */
function storedBytes({ content }: FileInode): number {
  return content.pieces?.reduce((total, { length }) => total + length, 0) ?? content.size;
}
