import { chmod, cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { findInTree } from "./tree-path.ts";

/** Where the guest agent mounts something: links here would be followed before the tree is the root directory. */
const MOUNT_POINTS = ["dev", "proc", "run", "sys"] as const;

/** What programs and the guest agent expect, parents first. */
const DIRECTORIES = [
  { path: "etc", mode: 0o755 },
  { path: "root", mode: 0o700 },
  { path: "tmp", mode: 0o1777 },
  { path: "var", mode: 0o755 },
  { path: "var/tmp", mode: 0o1777 },
] as const;

/** Files that the guest agent writes. It makes those that are not there. */
const AGENT_FILES = ["etc/hostname", "etc/hosts", "etc/machine-id", "etc/resolv.conf"] as const;

const LOCALHOST = "127.0.0.1 localhost\n::1 ip6-localhost\n";
/** A longer file is the image's own affair. */
const MOST_HOSTS_BYTES = 2 ** 20;

/**
 * Completes the file tree of an image, so that it boots with this kernel and the guest agent. What the image has stays, unless it is in
 * the way. The tree may be hostile: nothing outside of it is read or written, and none of its programs runs.
 *
 * @param modules - a directory like `/lib/modules`, with indexes.
 */
export async function prepareTree(tree: string, modules: string | undefined): Promise<void> {
  for (const name of MOUNT_POINTS) await requireMountPoint(tree, name);
  for (const { path, mode } of DIRECTORIES) await requireDirectory(tree, path, mode);
  for (const path of AGENT_FILES) await removeUnlessFile(tree, path);
  await nameLocalhost(tree);
  if (modules !== undefined) await installModules(tree, modules);
}

async function requireMountPoint(tree: string, name: string): Promise<void> {
  const place = await findInTree(tree, name, { followLast: false });
  if (place === undefined || place.stats?.isDirectory() === true) return;
  await rm(place.path, { force: true });
  await makeDirectory(place.path, 0o755);
}

async function requireDirectory(tree: string, path: string, mode: number): Promise<void> {
  if ((await findInTree(tree, path))?.stats?.isDirectory() === true) return;
  const place = await findInTree(tree, path, { followLast: false });
  // Its parent is a directory by now.
  if (place === undefined) return;
  await rm(place.path, { force: true });
  await makeDirectory(place.path, mode);
}

/** Whatever the mask of this process is. */
async function makeDirectory(path: string, mode: number): Promise<void> {
  await mkdir(path);
  await chmod(path, mode);
}

/** A link that leads nowhere, a directory, or a device would keep the guest agent from writing its own. */
async function removeUnlessFile(tree: string, path: string): Promise<void> {
  if ((await findInTree(tree, path))?.stats?.isFile() === true) return;
  const place = await findInTree(tree, path, { followLast: false });
  if (place?.stats !== undefined) await rm(place.path, { recursive: true });
}

/** Many images leave this to what runs them. */
async function nameLocalhost(tree: string): Promise<void> {
  const place = await findInTree(tree, "etc/hosts");
  if (place === undefined || (place.stats?.size ?? 0) > MOST_HOSTS_BYTES) return;
  const present = place.stats === undefined ? "" : await readFile(place.path, "latin1");
  if (/^[^#\n]*\slocalhost(\s|$)/m.test(present)) return;
  const separator = present === "" || present.endsWith("\n") ? "" : "\n";
  await writeFile(place.path, `${present}${separator}${LOCALHOST}`, "latin1");
}

/** Into the directory that `/lib/modules` leads to. An image that has something else there does without. */
async function installModules(tree: string, modules: string): Promise<void> {
  for (const path of ["lib", "lib/modules"]) {
    const place = await findInTree(tree, path);
    if (place === undefined) return;
    if (place.stats === undefined) await makeDirectory(place.path, 0o755);
    else if (!place.stats.isDirectory()) return;
  }
  for (const release of await readdir(modules)) {
    const place = await findInTree(tree, `lib/modules/${release}`, { followLast: false });
    if (place === undefined) return;
    await rm(place.path, { recursive: true, force: true });
    await cp(join(modules, release), place.path, { recursive: true });
  }
}
