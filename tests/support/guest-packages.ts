import { openAsBlob } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runCommand, tryCommand } from "@wrenn/system";
import type { ApiCaller } from "./api-caller.ts";
import { putFile } from "./guest-services.ts";
import { runScript } from "./kernel-machine.ts";

/** Long enough for some hundred MB from a distant mirror. */
const DOWNLOAD_MS = 10 * 60_000;
const ARCHIVE = "/srv/packages.tar";

/**
 * Unpacks Debian packages, with what they need and the image lacks, into a capsule. They come from the host's package sources, as the
 * image itself does: the capsule's network has no part in it. Scripts of the packages are not run.
 *
 * @returns why they cannot be fetched; undefined when they are in the capsule.
 */
export async function addPackages(
  api: ApiCaller,
  id: string,
  names: readonly string[],
): Promise<string | undefined> {
  const directory = await mkdtemp("/tmp/wrenn-packages-");
  try {
    const problem = await download(directory, await runScript(api, id, "cat /var/lib/dpkg/status"), names);
    if (problem !== undefined) return problem;
    await unpack(directory);
    const archive = join(directory, "packages.tar");
    await runCommand(["tar", "--create", `--file=${archive}`, `--directory=${join(directory, "tree")}`, "."]);
    await putFile(api, id, ARCHIVE, await openAsBlob(archive));
    // The image's /bin and /lib are links, which directories of a package must not replace.
    await runScript(
      api,
      id,
      `tar -xf ${ARCHIVE} -C / --keep-directory-symlink --no-overwrite-dir; rm ${ARCHIVE}; ldconfig`,
    );
    return undefined;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** apt works out what is missing from the capsule's own list of packages. */
async function download(
  directory: string,
  status: string,
  names: readonly string[],
): Promise<string | undefined> {
  await mkdir(join(directory, "archives/partial"), { recursive: true });
  await writeFile(join(directory, "status"), `${status}\n`);
  const { code, stderr } = await tryCommand(
    [
      "apt-get",
      "--yes",
      "--quiet=2",
      "--download-only",
      "--no-install-recommends",
      ...Object.entries({
        "Dir::State::status": join(directory, "status"),
        "Dir::Cache::archives": join(directory, "archives"),
        "Debug::NoLocking": "true",
        "APT::Sandbox::User": "root",
      }).map(([name, value]) => `--option=${name}=${value}`),
      "install",
      ...names,
    ],
    { signal: AbortSignal.timeout(DOWNLOAD_MS) },
  );
  return code === 0 ? undefined : `${names.join(", ")} cannot be fetched: ${stderr.trim()}`;
}

async function unpack(directory: string): Promise<void> {
  const archives = join(directory, "archives");
  const tree = join(directory, "tree");
  await mkdir(tree);
  for (const name of await readdir(archives))
    if (name.endsWith(".deb")) await runCommand(["dpkg-deb", "--extract", join(archives, name), tree]);
}
