import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { hasCode } from "@wrenn/system";
import type { CapsuleStorage, HostStorage, LayerStorage } from "@wrenn/protocol";
import type { Capsule } from "../capsules/capsule.ts";
import type { LayerStore } from "./layer-store.ts";

/** How deep a capsule's own files are: its directory, `generations/`, and one directory each. */
const DEPTH = 3;

/** Measures what capsules occupy on this host. Disk layers are listed apart, because capsules share them. */
export async function measureStorage(capsules: Iterable<Capsule>, layers: LayerStore): Promise<HostStorage> {
  const measured: CapsuleStorage[] = [];
  const used = new Set<string>();
  for (const { id, directory, record } of capsules) {
    const named = new Set([record, ...record.generations].flatMap((moment) => moment.layers));
    for (const layer of named) used.add(layer);
    measured.push({
      id,
      bytes: await ownBytes(directory.path, DEPTH),
      checkpoints: record.generations.filter(({ kind }) => kind === "checkpoint").length,
      layers: [...named],
    });
  }
  const sizes: LayerStorage[] = [];
  for (const id of used) sizes.push({ id, bytes: await occupied(layers.path(id)) });
  return { capsules: measured, layers: sizes };
}

/** What the files below a directory occupy; one that has a second name is a layer as well, and is counted there. */
async function ownBytes(directory: string, depth: number): Promise<number> {
  let total = 0;
  for (const entry of await listed(directory)) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) total += depth > 1 ? await ownBytes(path, depth - 1) : 0;
    else total += await occupied(path, 1);
  }
  return total;
}

async function listed(directory: string) {
  try {
    return await readdir(directory, { withFileTypes: true });
  } catch (error) {
    // Removed while it was looked at.
    if (hasCode(error, "ENOENT")) return [];
    throw error;
  }
}

/** @param mostNames - a file with more names occupies nothing here. */
async function occupied(path: string, mostNames = Infinity): Promise<number> {
  try {
    const { blocks, nlink } = await lstat(path);
    return nlink > mostNames ? 0 : blocks * 512;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return 0;
    throw error;
  }
}
