import type { DirectoryInode } from "./inode.ts";
import { TreeError } from "./tree-error.ts";
import type { VirtualTree } from "./virtual-tree.ts";

/** OCI image specification, layer.md, "Whiteouts". */
const PREFIX = ".wh.";
const OPAQUE = ".wh..wh..opq";
/** Other marks of aufs, which say nothing about files. */
const OTHER = ".wh..wh.";

/** What an entry removes of the layers below: a name, all of its directory, or nothing. */
export type Whiteout =
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "opaque" }
  | { readonly kind: "none" };

/** Whether a name is a mark of aufs, whose contents are none of the image's. */
export function isMark(name: string): boolean {
  return name.startsWith(OTHER);
}

/** What a name means; undefined where it is a file like others. @throws TreeError */
export function whiteoutOf(name: string): Whiteout | undefined {
  if (name === OPAQUE) return { kind: "opaque" };
  if (isMark(name)) return { kind: "none" };
  if (!name.startsWith(PREFIX)) return undefined;
  const removed = name.slice(PREFIX.length);
  if (removed === "" || removed === "." || removed === "..")
    throw new TreeError("it is a whiteout that names no file");
  return { kind: "name", name: removed };
}

/**
 * Removes what the layers below have. What this layer has written stays, in whatever order its entries are: umoci does so too, while
 * containerd removes a name also where the same layer wrote it before.
 */
export function applyWhiteout(
  tree: VirtualTree,
  parents: readonly string[],
  whiteout: Whiteout,
  layer: number,
): void {
  if (whiteout.kind === "none") return;
  const directory = tree.findDirectory(parents)?.inode;
  // Where there is no such directory, there is nothing to remove.
  if (directory === undefined) return;
  if (whiteout.kind === "opaque") removeLower(tree, directory, layer);
  else removeName(tree, directory, whiteout.name, layer);
}

function removeName(tree: VirtualTree, directory: DirectoryInode, name: string, layer: number): void {
  const entry = directory.names.get(name);
  if (entry === undefined) return;
  if (entry.layer !== layer) directory.names.delete(name);
  else if (entry.inode.type === "directory") removeLower(tree, entry.inode, layer);
}

/** Empties a directory except for names of this layer. */
function removeLower(tree: VirtualTree, directory: DirectoryInode, layer: number): void {
  const pending = [directory];
  for (let next = pending.pop(); next !== undefined; next = pending.pop())
    for (const [name, entry] of next.names) {
      tree.countStep();
      if (entry.layer !== layer) next.names.delete(name);
      else if (entry.inode.type === "directory") pending.push(entry.inode);
    }
}
