import { realpath } from "node:fs/promises";
import { dirname, join } from "node:path";
import { runCommand } from "@wrenn/system";
import { libraryPath } from "./vite-archive.ts";

/**
 * Packs this Node and the npm of this machine for a capsule: `bin/node`, the library that it is linked to, and `npm/`.
 *
 * @param archive - compressed if its name ends so.
 */
export async function packNode(archive: string): Promise<void> {
  const { stdout } = await runCommand(["which", "npm"]);
  const npm = join(await realpath(stdout.trim()), "../..");
  await runCommand([
    "tar",
    "--create",
    "--auto-compress",
    `--file=${archive}`,
    "--owner=0",
    "--group=0",
    "--dereference",
    "--transform=s,^node$,bin/node,",
    "--transform=s,^libatomic,bin/libatomic,",
    `--directory=${dirname(process.execPath)}`,
    "node",
    `--directory=${dirname(await libraryPath("libatomic.so.1"))}`,
    "libatomic.so.1",
    `--directory=${dirname(npm)}`,
    "npm",
  ]);
}
