import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { copyFile, link, mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { hasCode, runCommand } from "@wrenn/system";

/*
 * Installs the packages of the directory that it is in, from that directory alone. Lists and sources of the capsule stay as they are.
 * The disk of a build that is interrupted is thrown away, so that dpkg need not wait for it. Each package of Python modules starts a
 * Python to compile its own; in an emulated machine one that compiles all of them behind the rest takes half the time.
 */
const INSTALL = `#!/bin/sh
set -eu
here=$(dirname -- "$(readlink -f -- "$0")")
if [ ! -s "$here/names" ]; then exit 0; fi
lists=$(mktemp -d)
trap 'rm -rf -- "$lists"' EXIT
echo "deb [trusted=yes] file:$here ./" > "$lists/sources.list"
set -- -o "Dir::Etc::sourcelist=$lists/sources.list" -o Dir::Etc::sourceparts=/dev/null \\
  -o "Dir::State::lists=$lists/lists" -o "Dir::Cache::pkgcache=" -o "Dir::Cache::srcpkgcache=" \\
  -o APT::Sandbox::User=root -o Acquire::Languages=none -o Dpkg::Options::=--force-unsafe-io \\
  -o "DPkg::Path=$lists/bin:/usr/sbin:/usr/bin:/sbin:/bin"
mkdir -p "$lists/lists/partial" "$lists/bin"
ln -s /bin/true "$lists/bin/py3compile"
apt-get "$@" --quiet=2 update
export DEBIAN_FRONTEND=noninteractive
xargs -a "$here/names" apt-get "$@" --quiet --yes --no-install-recommends install
if [ -x /usr/bin/py3compile ]; then
  # Some packages have templates of modules, which are none.
  python3 -m compileall -q /usr/lib/python3/dist-packages > /dev/null || true
fi
`;

/**
 * Makes a directory with Debian packages that `./install` in it installs without a network: the packages, the index that apt reads, and
 * the names of those that are wanted for themselves. The same packages make the same directory, apart from times.
 *
 * @param archives - paths of the packages; they are linked where that is possible.
 * @throws WrennError `command_failed` for a file that is no package. An abort leaves a part of the directory.
 */
export async function makeRepository(
  directory: string,
  { names, archives }: { readonly names: readonly string[]; readonly archives: readonly string[] },
  signal: AbortSignal,
): Promise<void> {
  await mkdir(directory, { recursive: true });
  const entries: string[] = [];
  for (const archive of archives) {
    signal.throwIfAborted();
    const { stdout: control } = await runCommand(["dpkg-deb", "--field", archive], { signal });
    // Versions may have characters that mean something in addresses.
    const file = `${/^Package: (\S+)$/m.exec(control)?.[1] ?? ""}.deb`;
    await place(archive, join(directory, file));
    const { size } = await stat(archive);
    const digest = await digestOf(archive, signal);
    entries.push(`${control.trimEnd()}\nFilename: ./${file}\nSize: ${size}\nSHA256: ${digest}\n`);
  }
  await writeFile(join(directory, "Packages"), entries.sort().join("\n"));
  await writeFile(
    join(directory, "names"),
    [...names]
      .sort()
      .map((name) => `${name}\n`)
      .join(""),
  );
  await writeFile(join(directory, "install"), INSTALL, { mode: 0o755 });
}

/** Puts a file at a second place, without a copy where both are on one file system. */
export async function place(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (!hasCode(error, "EXDEV") && !hasCode(error, "EPERM") && !hasCode(error, "EMLINK")) throw error;
    await copyFile(from, to);
  }
}

async function digestOf(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path, { signal })) hash.update(piece as Buffer);
  return hash.digest("hex");
}
