import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { runCommand } from "@wrenn/system";
import { projectRoot } from "./sources.ts";

/**
 * Packs a Vite project for a capsule, which has no Node of its own: this Node at `bin/node` with the library
 * that Debian does not install by itself, the project at `app`, and Vite
 * with what it depends on at `app/node_modules`. The native parts are those of this machine, whose kind the guests are.
 */
export async function packVite(archive: string): Promise<void> {
  const packages = [...(await closure("vite"))].sort();
  await runCommand([
    "tar",
    "--create",
    `--file=${archive}`,
    "--owner=0",
    "--group=0",
    "--dereference",
    "--transform=s,^node$,bin/node,",
    "--transform=s,^libatomic,bin/libatomic,",
    "--transform=s,^vite-app,app,",
    "--transform=s,^node_modules,app/node_modules,",
    `--directory=${dirname(process.execPath)}`,
    "node",
    `--directory=${dirname(await libraryPath("libatomic.so.1"))}`,
    "libatomic.so.1",
    `--directory=${join(projectRoot, "tests/support/guest")}`,
    "vite-app",
    `--directory=${projectRoot}`,
    ...packages.map((name) => `node_modules/${name}`),
  ]);
}

/** Where this machine has a library that this Node is linked to. */
export async function libraryPath(name: string): Promise<string> {
  const { stdout } = await runCommand(["ldd", process.execPath]);
  const line = stdout.split("\n").find((text) => text.trim().startsWith(`${name} =>`));
  const path = line?.split(" ").find((word) => word.startsWith("/"));
  if (path === undefined) throw new Error(`this Node is not linked to ${name}:\n${stdout}`);
  return path;
}

/** A package with everything it depends on, as far as it is installed: of native parts there are those of one platform. */
async function closure(name: string, found = new Set<string>()): Promise<ReadonlySet<string>> {
  if (found.has(name)) return found;
  const text = await readFile(join(projectRoot, "node_modules", name, "package.json"), "utf8").catch(
    () => "",
  );
  if (text === "") return found;
  found.add(name);
  const { dependencies, optionalDependencies } = JSON.parse(text) as Manifest;
  for (const next of Object.keys({ ...dependencies, ...optionalDependencies })) await closure(next, found);
  return found;
}

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}
