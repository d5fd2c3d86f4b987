import { chmod, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { runCommand } from "@wrenn/system";
import { cacheDirectory, minimalArtifacts } from "./real-machines.ts";

/** A cache of its own for a test that changes it: images and frozen machines are second names of those of this machine. */
export async function linkedCache(): Promise<
  AsyncDisposable & { readonly root: string; readonly path: string }
> {
  await minimalArtifacts();
  const root = await mkdtemp("/tmp/wrenn-cache-");
  // The database's user and apt's pass through here.
  await chmod(root, 0o755);
  const path = join(root, "cache");
  await mkdir(path);
  for (const name of await readdir(cacheDirectory))
    if (!["editions", "apt", "npm"].includes(name))
      await runCommand(["cp", "-al", join(cacheDirectory, name), path]).catch(() => undefined);
  return { root, path, [Symbol.asyncDispose]: async () => await rm(root, { recursive: true, force: true }) };
}
