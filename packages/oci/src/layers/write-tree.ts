import { readdir } from "node:fs/promises";
import type { OnImageProgress } from "../image/limits.ts";
import { ARCHIVE_END, memberHeader } from "../tar/tar-writer.ts";
import type { TarMember } from "../tar/tar-writer.ts";
import { paddingOf } from "../tar/tar-header.ts";
import type { FileInode, Inode } from "../tree/inode.ts";
import { extractArchive } from "./extract-archive.ts";
import type { UnpackedLayers } from "./unpack-layers.ts";

const BATCH_BYTES = 256 * 1024;

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
  const pieces = archiveOf(plan, layers, (done) => progress?.({ step: "write", done, total }), signal);
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

async function* archiveOf(
  { directories, files, others, links }: MemberPlan,
  { spools }: UnpackedLayers,
  onBytes: (done: number) => void,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let batch: Uint8Array[] = [];
  let batchBytes = 0;
  let done = 0;
  const add = (piece: Uint8Array): void => {
    batch.push(piece);
    batchBytes += piece.length;
  };
  const isFull = (): boolean => batchBytes >= BATCH_BYTES;
  const flush = (): Buffer => {
    const whole = Buffer.concat(batch);
    batch = [];
    batchBytes = 0;
    return whole;
  };
  for (const named of directories) {
    add(memberHeader(memberOf(named)));
    if (isFull()) yield flush();
  }
  for (const named of files) {
    signal.throwIfAborted();
    add(memberHeader(memberOf(named)));
    const { offset, layer } = named.inode.content;
    const stored = storedBytes(named.inode);
    for (let at = 0; at < stored; at += BATCH_BYTES) {
      const piece = await spools[layer]?.read(offset + at, Math.min(BATCH_BYTES, stored - at));
      if (piece === undefined) throw new Error("a layer has no archive");
      add(piece);
      done += piece.length;
      if (!isFull()) continue;
      onBytes(done);
      yield flush();
    }
    add(Buffer.alloc(paddingOf(stored)));
  }
  for (const named of others) {
    add(memberHeader(memberOf(named)));
    if (isFull()) yield flush();
  }
  for (const link of links) {
    add(memberHeader({ ...LINK, ...link }));
    if (isFull()) yield flush();
  }
  add(ARCHIVE_END);
  yield flush();
  onBytes(done);
}

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
