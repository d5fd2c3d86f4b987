import type { TarEntry } from "../tar/tar-entry.ts";
import type { Attributes, Inode } from "./inode.ts";
import { keptXattrs } from "./kept-xattrs.ts";
import { TreeError } from "./tree-error.ts";
import { componentsOf, MAX_PATH } from "./tree-path.ts";
import type { TreeDirectory, VirtualTree } from "./virtual-tree.ts";
import { applyWhiteout, isMark, whiteoutOf } from "./whiteouts.ts";

/**
 * Applies an entry of a layer to the tree (OCI image specification, layer.md, "Applying Changesets"). What the specification leaves open
 * is as in umoci and containerd:
 *
 * - The parents of a name are followed through links; the name itself is not: a directory over a link to a directory replaces the link.
 * - A directory over a directory changes its attributes and keeps what is in it. Everything else replaces what has the name, also a
 *   directory with all that is in it.
 * - Of a name that a layer has twice, the last entry counts.
 * - A new name for a hard link leaves the other names as they are.
 *
 * @throws TreeError for what is refused; TreeLimitError.
 */
export function applyEntry(tree: VirtualTree, entry: TarEntry, layer: number): void {
  tree.count(1 + (entry.content.pieces?.length ?? 0), entry.target.length);
  const components = componentsOf(entry.name);
  const name = components.at(-1);
  if (name === undefined) return applyToRoot(tree, entry);
  const parents = components.slice(0, -1);
  if (parents.some(isMark)) return;
  const whiteout = whiteoutOf(name);
  if (whiteout !== undefined) return applyWhiteout(tree, parents, whiteout, layer);
  if (isDevice(entry)) return checkDevice(tree, entry, parents);
  const parent = tree.makeDirectory(parents, layer, entry.mtime);
  const pathBytes = [...parent.path, name].reduce((total, { length }) => total + 1 + length, 0);
  if (pathBytes >= MAX_PATH) throw new TreeError(`its path is longer than ${MAX_PATH - 1} bytes`);
  tree.count(0, pathBytes);
  const present = parent.inode.names.get(name);
  if (entry.type === "directory" && present?.inode.type === "directory") {
    present.inode.attributes = attributesOf(tree, entry);
    present.layer = layer;
    return;
  }
  // What had the name is gone before a hard link looks for its target, which is not found below a directory that it replaces.
  parent.inode.names.delete(name);
  const inode = inodeOf(tree, entry, { parent, layer });
  if (inode !== undefined) parent.inode.names.set(name, { inode, layer });
}

/** The root of the image has an entry in many layers. */
function applyToRoot(tree: VirtualTree, entry: TarEntry): void {
  if (entry.type !== "directory") throw new TreeError("the root of the image must be a directory");
  tree.root.attributes = attributesOf(tree, entry);
}

function inodeOf(
  tree: VirtualTree,
  entry: TarEntry,
  { parent, layer }: { readonly parent: TreeDirectory; readonly layer: number },
): Inode | undefined {
  switch (entry.type) {
    case "file":
      return {
        type: "file",
        attributes: attributesOf(tree, entry),
        content: { ...entry.content, layer },
      };
    case "directory":
      return { type: "directory", attributes: attributesOf(tree, entry), names: new Map() };
    case "symlink":
      checkTarget(entry);
      return { type: "symlink", attributes: attributesOf(tree, entry), target: entry.target };
    case "fifo":
      return { type: "fifo", attributes: attributesOf(tree, entry) };
    case "hard-link":
      return linkedInode(tree, entry, parent);
    case "character-device":
    case "block-device":
      throw new TreeError("devices are not accepted");
  }
}

/** The file that a hard link is another name of, in this layer or below. Its attributes are not those of the entry: it has its own. */
function linkedInode(tree: VirtualTree, entry: TarEntry, parent: TreeDirectory): Inode | undefined {
  const components = componentsOf(entry.target);
  const targetName = components.at(-1) ?? "";
  const directory = tree.findDirectory(components.slice(0, -1));
  const inode = directory?.inode.names.get(targetName)?.inode;
  if (inode === undefined || directory === undefined) {
    // Another name of a device that was left out.
    if (parent.path[0] === "dev") return undefined;
    throw new TreeError("it is a hard link to a file that does not exist");
  }
  if (inode.type === "directory") throw new TreeError("it is a hard link to a directory");
  return inode;
}

function isDevice({ type }: TarEntry): boolean {
  return type === "character-device" || type === "block-device";
}

/**
 * Devices below /dev are left out: the guest's kernel makes its own there. One with the numbers 0 and 0 is a whiteout of overlayfs,
 * which no layer of an image has.
 */
function checkDevice(tree: VirtualTree, { type, device }: TarEntry, parents: readonly string[]): void {
  if (type === "character-device" && device.major === 0 && device.minor === 0)
    throw new TreeError("it is a whiteout of overlayfs");
  const path = tree.findDirectory(parents)?.path ?? parents;
  if (path[0] !== "dev") throw new TreeError("it is a device, which images may have below /dev only");
}

function checkTarget({ target }: TarEntry): void {
  if (target === "") throw new TreeError("it is a link without a target");
  if (target.length >= MAX_PATH) throw new TreeError(`its target is longer than ${MAX_PATH - 1} bytes`);
}

function attributesOf(tree: VirtualTree, entry: TarEntry): Attributes {
  const { mode, uid, gid, mtime } = entry;
  const xattrs = keptXattrs(entry);
  for (const [name, value] of xattrs) tree.count(0, name.length + value.length);
  return { mode, uid, gid, mtime, xattrs };
}
