import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import { exists, runCommand } from "@wrenn/system";
import type { NpmPackage } from "./template-definition.ts";

/**
 * The archive of an npm package: what was downloaded before, or what the registry of this host's npm has, if its bytes are those that are
 * expected. Scripts of the package are not run.
 *
 * @param directory - keeps downloads between calls.
 * @returns its path.
 * @throws WrennError `npm_package_unavailable`; the signal's reason. An abort leaves no part of an archive under its name.
 */
export async function downloadNpmPackage(
  directory: string,
  wanted: NpmPackage,
  signal: AbortSignal,
): Promise<string> {
  const { name, version, integrity } = wanted;
  const kept = join(directory, `${createHash("sha256").update(integrity).digest("hex").slice(0, 32)}.tgz`);
  if ((await exists(kept)) && (await integrityOf(kept, signal)) === integrity) return kept;
  await mkdir(directory, { recursive: true });
  const place = await mkdtemp(join(directory, "download-"));
  try {
    await runCommand(
      ["npm", "pack", "--silent", "--ignore-scripts", `--pack-destination=${place}`, `${name}@${version}`],
      // Without the settings of whatever project this runs in.
      { cwd: place, signal },
    );
    const file = (await readdir(place)).find((one) => one.endsWith(".tgz"));
    if (file === undefined) throw unavailable(wanted, "npm has downloaded nothing");
    const path = join(place, file);
    if ((await integrityOf(path, signal)) !== integrity)
      throw unavailable(wanted, "its bytes are not those that were published");
    await rename(path, kept);
    return kept;
  } catch (error) {
    signal.throwIfAborted();
    throw WrennError.is(error, "command_failed") ? unavailable(wanted, error.message, error) : error;
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

function unavailable({ name, version }: NpmPackage, problem: string, cause?: Error): WrennError {
  return new WrennError("npm_package_unavailable", { package: `${name}@${version}`, problem }, { cause });
}

async function integrityOf(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash("sha512");
  for await (const piece of createReadStream(path, { signal })) hash.update(piece as Buffer);
  return `sha512-${hash.digest("base64")}`;
}
