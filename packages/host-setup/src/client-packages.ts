import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { defined, WrennError } from "@wrenn/core";
import { exists, holdLock, readFileIfPresent, runCommand, tryCommand, writeFileAtomic } from "@wrenn/system";
import { hashFiles } from "./hash-files.ts";
import { problemLines } from "./problem-lines.ts";
import type { Progress } from "./progress.ts";

export interface PackClientsOptions {
  readonly projectRoot: string;
  readonly progress: Progress;
  readonly signal?: AbortSignal;
}

/** The packages for client machines, in a folder. */
export interface ClientTarballs {
  readonly cli: string;
  readonly sdk: string;
}

const STEP = "packing the command line and the SDK for client machines";
/** What each package is made from; the lock file holds the versions of what is bundled and of the bundler. */
const SOURCES = ["LICENSE", "tsconfig.json", "package-lock.json"];
/** Folder of the workspace, and the folder that its build leaves for `npm pack`. */
const cli = { folder: "apps/client", built: "build/package" };
const sdk = { folder: "packages/sdk", built: "build" };

/**
 * Builds and packs the command line and the SDK for client machines, unless the packages were made from these sources. Any number of
 * processes may ask at the same time: one of them packs.
 *
 * @throws WrennError `command_failed` when the bundler or npm fails.
 */
export async function packClients({
  projectRoot,
  progress,
  signal,
}: PackClientsOptions): Promise<ClientTarballs> {
  // The server looks for them here.
  const folder = join(projectRoot, cli.folder, "build/packages");
  const tarballs = { cli: join(folder, "wrenn-cli.tgz"), sdk: join(folder, "wrenn-sdk.tgz") };
  const stamp = join(folder, ".stamp");
  const hash = await hashFiles(projectRoot, await sourcesOf(projectRoot));
  const isPacked = async (): Promise<boolean> =>
    (await readFileIfPresent(stamp)) === hash && (await exists(tarballs.cli)) && (await exists(tarballs.sdk));
  if (await isPacked()) return tarballs;
  progress({ step: STEP });
  await mkdir(folder, { recursive: true });
  await using _ = await holdLock(folder, signal);
  if (await isPacked()) return tarballs;
  await rm(stamp, { force: true });
  for (const part of [cli, sdk]) await bundle(projectRoot, part.folder, signal);
  const packed = await mkdtemp(join(folder, ".packing-"));
  try {
    for (const [part, tarball] of [
      [cli, tarballs.cli],
      [sdk, tarballs.sdk],
    ] as const)
      await rename(await npmPack(join(projectRoot, part.folder, part.built), packed, signal), tarball);
  } finally {
    await rm(packed, { recursive: true, force: true });
  }
  await writeFileAtomic(stamp, hash, { mode: 0o644 });
  return tarballs;
}

async function bundle(projectRoot: string, folder: string, signal: AbortSignal | undefined): Promise<void> {
  const bundler = join(projectRoot, "node_modules/tsdown/dist/run.mjs");
  const { code, stdout, stderr } = await tryCommand([process.execPath, bundler, "--logLevel=error"], {
    cwd: join(projectRoot, folder),
    ...defined({ signal }),
  });
  if (code === 0) return;
  throw new WrennError("command_failed", {
    command: `tsdown in ${folder}`,
    problem: problemLines(`${stderr}\n${stdout}`) || `exit code ${code}`,
  });
}

async function sourcesOf(projectRoot: string): Promise<readonly string[]> {
  const files = SOURCES.map((name) => join(projectRoot, name));
  for (const { folder } of [cli, sdk]) {
    const root = join(projectRoot, folder);
    for (const entry of await readdir(root, { withFileTypes: true }))
      if (entry.isFile()) files.push(join(root, entry.name));
    for (const entry of await readdir(join(root, "src"), { withFileTypes: true, recursive: true }))
      if (entry.isFile()) files.push(join(entry.parentPath, entry.name));
  }
  return files;
}

/** @returns the tarball in `destination`. Its bytes depend on the contents only. */
async function npmPack(
  folder: string,
  destination: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  const argv = ["npm", "pack", "--json", `--pack-destination=${destination}`, "--loglevel=error"] as const;
  const { stdout } = await runCommand(argv, { cwd: folder, ...defined({ signal }) });
  const [{ filename } = { filename: "" }] = JSON.parse(stdout) as { filename: string }[];
  return join(destination, filename);
}
