import { mkdir, readdir, readlink, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { pathToFileURL } from "node:url";
import type { Clock } from "@wrenn/core";
import { exists, hasCode, syncDirectory, tryLock, writeFileAtomic } from "@wrenn/system";
import { rolldown } from "rolldown";
import type { OutputChunk, Plugin } from "rolldown";
import { bundlesOf, ENTRY, identityOf, isPrivate, manifestOf, readManifest } from "./program-bundle.ts";
import type { BundleManifest, FileIdentity } from "./program-bundle.ts";

/** A file that changed this recently may change again with the same time: the kernel's clock of files has steps. */
const SETTLED_MS = 2000;
/** Parts of a program that name the file they are in. */
const PLACE = /\bimport\.meta\.(dirname|filename|url)\b|\b__(dirname|filename)\b/g;
/** They have native code, or look for a file of their own. */
const NOT_BUNDLED = ["bufferutil", "utf-8-validate", "pg-native", "playwright-core"];

/** Why no bundle was made although nothing failed. */
export type NotMade = "not ours" | "another process makes it" | "a source changes";

export interface BundleOptions {
  /** The checkout. */
  readonly root: string;
  /** Its module with `runProgram`. */
  readonly program: string;
  /** Where bundles are kept; by default where the checkout looks for them. */
  readonly bundles?: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Bundles the command line of a checkout with all that it imports, for its next starts.
 *
 * @returns undefined when it was made.
 * @throws the bundler's error, or that of the operating system.
 */
export async function makeBundle({
  root,
  program,
  bundles = bundlesOf(root),
  clock,
  signal,
}: BundleOptions): Promise<NotMade | undefined> {
  await mkdir(bundles, { mode: 0o700 }).catch((error: unknown) => {
    if (!hasCode(error, "EEXIST")) throw error;
  });
  if (!isPrivate(bundles)) return "not ours";
  await using lock = await tryLock(join(bundles, ".lock"));
  if (lock === undefined) return "another process makes it";
  const begunAt = clock.now();
  const chunks = await bundle(program);
  signal.throwIfAborted();
  const inputs = await inputsOf(root, chunks);
  if (inputs.some(([, , , changedMs]) => changedMs > begunAt - SETTLED_MS)) return "a source changes";
  const folder = await freeFolder(bundles);
  const directory = join(bundles, folder);
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { mode: 0o700 });
  for (const { fileName, code } of chunks)
    await writeFile(join(directory, fileName), code, { mode: 0o600, flush: true, signal });
  await syncDirectory(directory);
  const manifest: BundleManifest = { root, node: process.version, folder, inputs };
  await writeFileAtomic(manifestOf(bundles), JSON.stringify(manifest), { mode: 0o600, durable: true });
  return undefined;
}

async function bundle(program: string): Promise<readonly OutputChunk[]> {
  await using build = await rolldown({
    input: { [ENTRY.replace(/\.js$/, "")]: program },
    platform: "node",
    external: NOT_BUNDLED,
    // Modules run in the order and with the effects that they have unbundled.
    treeshake: false,
    plugins: [keepPlaces],
    logLevel: "silent",
  });
  const { output } = await build.generate({
    format: "esm",
    // A function keeps the name that it reports.
    keepNames: true,
    entryFileNames: "[name].js",
    chunkFileNames: "[name].js",
  });
  return output.filter((file) => file.type === "chunk");
}

/** Code that finds a file next to itself finds the one next to its source. */
const keepPlaces: Plugin = {
  name: "keep-places",
  transform: {
    filter: { code: PLACE },
    handler: (code, path) => ({
      code: code.replaceAll(PLACE, (_whole, ofModule: string | undefined, ofCommon: string | undefined) => {
        const asked = ofModule ?? ofCommon;
        const place =
          asked === "dirname" ? dirname(path) : asked === "filename" ? path : pathToFileURL(path).href;
        return JSON.stringify(place);
      }),
    }),
  },
};

/** The files of the modules, and every file that says which module an import is. */
async function inputsOf(root: string, chunks: readonly OutputChunk[]): Promise<readonly FileIdentity[]> {
  const modules = chunks.flatMap(({ moduleIds }) => moduleIds).filter((id) => id.startsWith(root + sep));
  const folders = new Set<string>();
  for (const module of modules)
    for (let folder = dirname(module); folder.startsWith(root); folder = dirname(folder)) folders.add(folder);
  const deciding = [...folders].flatMap((folder) => [
    join(folder, "package.json"),
    join(folder, "tsconfig.json"),
  ]);
  const present = await Promise.all(deciding.map(async (path) => ((await exists(path)) ? [path] : [])));
  return [...new Set([...modules, ...present.flat()])].sort().map(identityOf);
}

/**
 * A folder that neither the manifest names nor a process uses. There are few, which are used again and again: the cache of compiled code
 * has entries by path.
 */
async function freeFolder(bundles: string): Promise<string> {
  let current: string | undefined;
  try {
    current = readManifest(bundles).folder;
  } catch {
    // There is none, or it was damaged.
  }
  const used = await openFolders(bundles);
  for (let number = 0; ; number++) {
    const name = `code-${number}`;
    if (name !== current && !used.has(name)) return name;
  }
}

/** Names of the folders in `bundles` that processes of this machine have open. */
async function openFolders(bundles: string): Promise<ReadonlySet<string>> {
  const open = new Set<string>();
  for (const process of await readdir("/proc")) {
    if (!/^\d+$/.test(process)) continue;
    // A process may end, or belong to another user, who cannot open these folders.
    for (const descriptor of await readdir(`/proc/${process}/fd`).catch(() => [])) {
      const target = await readlink(`/proc/${process}/fd/${descriptor}`).catch(() => "");
      if (target.startsWith(bundles + sep)) open.add(relative(bundles, target).split(sep)[0] ?? "");
    }
  }
  return open;
}
