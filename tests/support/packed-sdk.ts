import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { packClients } from "@wrenn/host-setup";
import { runCommand } from "@wrenn/system";
import { projectRoot } from "./sources.ts";

/** The SDK as users get it. */
export interface PackedSdk extends AsyncDisposable {
  /** What `npm pack` made. */
  readonly tarball: string;
  /** A folder that was empty, in which the tarball is installed. */
  readonly folder: string;
  /** The package in it. */
  readonly installed: string;
}

/** Packs the SDK, and installs the tarball with its dependencies from the registry. Disposing removes the folder. */
export async function packSdk(): Promise<PackedSdk> {
  const directory = await mkdtemp("/tmp/wrenn-sdk-");
  const folder = join(directory, "user");
  await mkdir(folder);
  const { sdk: packed } = await packClients({ projectRoot, progress: () => {} });
  await writeFile(join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
  await npm(["install", "--no-audit", "--no-fund", "--ignore-scripts", packed], folder);
  return {
    tarball: packed,
    folder,
    installed: join(folder, "node_modules/@wrenn/sdk"),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}

async function npm(args: readonly string[], cwd: string): Promise<{ readonly stdout: string }> {
  return await runCommand(["npm", ...args, "--loglevel=error"], { cwd });
}
