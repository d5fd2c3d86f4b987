import type { Stats } from "node:fs";
import { lstat, readlink } from "node:fs/promises";
import { join } from "node:path";
import { hasCode } from "@wrenn/system";

/** As many links as Linux follows on the way to a file (path_resolution(7)). */
const MOST_LINKS = 40;

/** Where a path of a tree leads. */
export interface TreePlace {
  /** On this machine; none of its directories below the tree is a link. */
  readonly path: string;
  /** Undefined where nothing is there yet. */
  readonly stats: Stats | undefined;
}

export interface TreePathOptions {
  /** Whether a link in the last place is followed; default: true. */
  readonly followLast?: boolean;
}

/**
 * Finds what a program would find under `path` if the tree were its root directory. Links are followed inside of the tree, where `/` and
 * `..` lead no further than its root: a tree from elsewhere may have links to anything. Nothing may change the tree meanwhile.
 *
 * @returns undefined when the path leads nowhere: through something that is no directory, or around a loop.
 */
export async function findInTree(
  tree: string,
  path: string,
  { followLast = true }: TreePathOptions = {},
): Promise<TreePlace | undefined> {
  let reached: string[] = [];
  let ahead = namesOf(path);
  let links = 0;
  for (let name = ahead.shift(); name !== undefined; name = ahead.shift()) {
    if (name === "..") {
      reached.pop();
      continue;
    }
    const here = join(tree, ...reached, name);
    const stats = await statsOf(here);
    if (stats === undefined) return ahead.length === 0 ? { path: here, stats } : undefined;
    if (stats.isSymbolicLink() && (ahead.length > 0 || followLast)) {
      if (++links > MOST_LINKS) return undefined;
      const target = await readlink(here);
      if (target.startsWith("/")) reached = [];
      ahead = namesOf(target).concat(ahead);
      continue;
    }
    if (ahead.length > 0 && !stats.isDirectory()) return undefined;
    reached.push(name);
  }
  const here = join(tree, ...reached);
  return { path: here, stats: await statsOf(here) };
}

function namesOf(path: string): string[] {
  return path.split("/").filter((name) => name !== "" && name !== ".");
}

async function statsOf(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    // The target of a link may be longer than any name.
    if (hasCode(error, "ENOENT", "ENAMETOOLONG")) return undefined;
    throw error;
  }
}
