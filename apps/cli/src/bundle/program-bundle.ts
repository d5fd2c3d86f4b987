import { closeSync, lstatSync, openSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/*
 * The command line runs from its sources, or from a bundle of exactly these sources, which loads four times as fast. This file is loaded
 * before either, and imports nothing else.
 */

/** What identifies the contents of a file without reading it: no way of writing a file leaves all of these as they were. */
export type FileIdentity = readonly [path: string, size: number, inode: number, changedMs: number];

export interface BundleManifest {
  /** The checkout and the Node.js that it was made for. */
  readonly root: string;
  readonly node: string;
  /** Name of the folder next to the manifest that has the code. */
  readonly folder: string;
  /** Every file that it was made from. */
  readonly inputs: readonly FileIdentity[];
}

export const ENTRY = "run-program.js";

const GROUP_AND_OTHERS = 0o077;

/** The folder of the bundles of a checkout; the launcher removes it with an installation. */
export const bundlesOf = (root: string): string => join(root, "node_modules/.bundled");

export const manifestOf = (bundles: string): string => join(bundles, "manifest.json");

/** @throws the operating system's error, such as `ENOENT`. */
export function identityOf(path: string): FileIdentity {
  const { size, ino, ctimeMs } = statSync(path);
  return [path, size, ino, ctimeMs];
}

/** A folder of which no other user can have written anything. */
export function isPrivate(folder: string): boolean {
  const found = lstatSync(folder, { throwIfNoEntry: false });
  return (
    found?.isDirectory() === true && found.uid === process.getuid?.() && (found.mode & GROUP_AND_OTHERS) === 0
  );
}

/**
 * The path of the program in the bundle of this checkout; undefined where there is none, or a file differs from what it was made from.
 * The folder stays open until this process ends, which keeps its code in place for what is loaded later.
 */
export function findBundle(root: string, bundles = bundlesOf(root)): string | undefined {
  if (!isPrivate(bundles)) return undefined;
  try {
    const manifest = readManifest(bundles);
    if (manifest.root !== root || manifest.node !== process.version) return undefined;
    const folder = join(bundles, manifest.folder);
    const held = openSync(folder, "r");
    try {
      if (manifest.inputs.every(isUnchanged)) return join(folder, ENTRY);
    } catch {
      // A file is gone.
    }
    closeSync(held);
    return undefined;
  } catch {
    // None was made yet, or it was damaged: the sources are always there.
    return undefined;
  }
}

export function readManifest(bundles: string): BundleManifest {
  return JSON.parse(readFileSync(manifestOf(bundles), "utf8")) as BundleManifest;
}

function isUnchanged(recorded: FileIdentity): boolean {
  const now = identityOf(recorded[0]);
  return now.every((value, index) => value === recorded[index]);
}
