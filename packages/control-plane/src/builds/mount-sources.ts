import type { BuildCapsule } from "./build-capsules.ts";
import { problemWith, rootScope, runCommand } from "./build-commands.ts";
import { unpackCommand } from "./copy-files.ts";
import type { PackedFiles } from "./copy-files.ts";

const MOUNT_MS = 10 * 60_000;
/** In memory, so that nothing of it is ever in a layer of the disk. Below it are the files, and a note of what was made for the mount. */
const PLACE = "/run/wrenn-context";
const FILES = `${PLACE}/files`;

/* Makes the place. Arguments: the place and the directory of the files. */
const PREPARE = `
set -eu
mkdir -p -- "$1"
mountpoint -q -- "$1" || mount -t tmpfs -o mode=0755,size=50% tmpfs "$1"
rm -rf -- "$2"
mkdir -- "$2"
: > "$1/made"
`;
/* Arguments: the place, the directory of the files, the target, and whether there is one file, which the target then is. */
const MOUNT = `
set -eu
place=$1 from=$2 target=$3 single=$4
mkdir -p -- "$(dirname -- "$target")"
if [ "$single" = yes ]; then
  for path in "$from"/* "$from"/.[!.]* "$from"/..?*; do [ ! -e "$path" ] || from=$path; done
  [ -e "$target" ] || { : > "$target"; printf file > "$place/made"; }
else
  [ -e "$target" ] || { mkdir -- "$target"; printf directory > "$place/made"; }
fi
mount --bind -- "$from" "$target"
mount -o remount,bind,ro -- "$target"
`;
/* Undoes both; what a step has left running keeps what it has open. Arguments: the place and the target. */
const UNMOUNT = `
set -eu
umount -l -- "$2"
case $(cat "$1/made") in
  file) rm -f -- "$2" ;;
  directory) rmdir -- "$2" ;;
esac
umount -l -- "$1"
rmdir -- "$1"
`;

/** What a step mounts of the context. */
export interface SourcesToMount extends PackedFiles {
  /** Absolute. */
  readonly target: string;
}

/**
 * Mounts files of a build's context for one step, read-only and in the memory of the capsule. An abort leaves some of them mounted: the
 * capsule of a build that is aborted ends.
 *
 * @param fail - makes the error of a program that refuses, from what it printed.
 * @returns what takes the mount away again.
 * @throws the error of `fail`; WrennError of the capsule's host.
 */
export async function mountSources(
  { processes }: Pick<BuildCapsule, "processes">,
  { target, ...packed }: SourcesToMount,
  fail: (problem: string) => Error,
  signal: AbortSignal,
): Promise<() => Promise<void>> {
  const run = async (
    cmd: string,
    args: readonly string[],
    input?: AsyncIterable<Uint8Array>,
  ): Promise<void> => {
    const command = { cmd, args, scope: rootScope, timeoutMs: MOUNT_MS, ...(input && { input }) };
    const end = await runCommand(processes, command, async () => {}, signal);
    const problem = problemWith(end, MOUNT_MS);
    if (problem !== undefined) throw fail(problem);
  };
  const script = async (text: string, ...args: readonly string[]): Promise<void> =>
    await run("/bin/sh", ["-c", text, "mount", PLACE, ...args]);
  await script(PREPARE, FILES);
  const { archive, source } = packed;
  await run("tar", await unpackCommand(packed, FILES), archive());
  await script(MOUNT, FILES, target, source.single ? "yes" : "no");
  return async () => await script(UNMOUNT, target);
}
