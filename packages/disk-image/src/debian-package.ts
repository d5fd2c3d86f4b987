import { chown, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import { runCommand, tryCommand } from "@wrenn/system";

/**
 * Downloads a Debian package from the host's package sources into `directory` and returns its path; apt checks it against the
 * signed package lists. The package is not installed.
 *
 * @param what - names the package in errors.
 * @param aptOptions - for apt's programs, where it comes from other lists than those of the host.
 * @param find - the package's name by the host's lists; undefined when the lists are missing or too old to have it.
 * @throws WrennError `dependency_missing` when the host's package sources do not have it.
 */
export async function downloadPackage(
  what: string,
  find: (signal: AbortSignal) => Promise<string | undefined>,
  directory: string,
  signal: AbortSignal,
  aptOptions: readonly string[] = [],
): Promise<string> {
  // apt downloads as a separate user, which must be able to write here.
  await makeWritableForApt(directory);
  const found = await download(find, directory, aptOptions, signal);
  if (found !== undefined) return found;
  await runCommand(["apt-get", ...aptOptions, "update"], { signal });
  const archive = await download(find, directory, aptOptions, signal);
  if (archive === undefined)
    throw new WrennError("dependency_missing", { what: `the Debian package ${what}` });
  return archive;
}

/** The downloaded package, or undefined where the host's package lists are missing or too old. */
async function download(
  find: (signal: AbortSignal) => Promise<string | undefined>,
  directory: string,
  aptOptions: readonly string[],
  signal: AbortSignal,
): Promise<string | undefined> {
  const name = await find(signal);
  if (name === undefined) return undefined;
  const { code } = await tryCommand(["apt-get", ...aptOptions, "download", name], { cwd: directory, signal });
  const archive = (await readdir(directory)).find((file) => file.endsWith(".deb"));
  return code === 0 && archive !== undefined ? join(directory, archive) : undefined;
}

async function makeWritableForApt(directory: string): Promise<void> {
  const passwd = await readFile("/etc/passwd", "utf8");
  const uid = /^_apt:[^:]*:(\d+):/m.exec(passwd)?.[1];
  if (uid !== undefined && process.getuid?.() === 0) await chown(directory, Number(uid), 0);
}
