import { createHash } from "node:crypto";
import type { RunMount } from "@wrenn/recipe";
import type { BuildCapsule } from "./build-capsules.ts";
import { problemWith, rootScope, runCommand } from "./build-commands.ts";
import type { PackedFiles } from "./copy-files.ts";
import { mountSources } from "./mount-sources.ts";

const MOUNT_MS = 60_000;
/** In memory: secrets are never on a disk. */
const SECRETS = "/run/wrenn-build";
/** Directories of cache mounts; the end of a build removes them. */
export const CACHES = "/var/tmp/wrenn-build-caches";

/* Makes the place for secrets. */
const PREPARE = `
set -eu
mkdir -p -- "$1"
mountpoint -q -- "$1" || mount -t tmpfs -o mode=0711,size=16m tmpfs "$1"
: > "$1/made"
`;
/* Arguments: the place for secrets, the owner, and for each mount its kind, where it is and where it is to be. */
const MOUNT = `
set -eu
place=$1 owner=$2
shift 2
while [ $# -gt 0 ]; do
  kind=$1 from=$2 to=$3
  shift 3
  mkdir -p -- "$(dirname -- "$to")"
  if [ "$kind" = cache ]; then
    mkdir -p -- "$from"
    [ -e "$to" ] || { mkdir -- "$to"; printf '%s\\n' "$to" >> "$place/made"; }
  else
    [ -e "$to" ] || { : > "$to"; printf '%s\\n' "$to" >> "$place/made"; }
  fi
  chown -- "$owner" "$from"
  mount --bind -- "$from" "$to"
done
`;
/* Undoes both; what a step has left running keeps what it has open. Arguments: the place for secrets and the targets, the last mount first. */
const UNMOUNT = `
set -eu
place=$1
shift
for target; do umount -l -- "$target"; done
while IFS= read -r made; do
  if [ -d "$made" ]; then rmdir -- "$made"; else rm -f -- "$made"; fi
done < "$place/made"
umount -l -- "$place"
rmdir -- "$place"
`;

export interface MountsOfStep {
  readonly mounts: readonly RunMount[];
  /** Who has to be able to read them. */
  readonly user: string;
  readonly secrets: ReadonlyMap<string, string>;
  /** The files of the context that the step mounts; undefined for a step without a bind mount. */
  readonly packed: PackedFiles | undefined;
}

/** What a step has beside its own variables. */
export interface MountedFiles {
  readonly envs: Readonly<Record<string, string>>;
  /** Takes it away again, behind the step. @throws MountFailed; WrennError of the capsule's host. */
  unmount(): Promise<void>;
}

/** Something cannot be mounted where the recipe wants it; the message is that of the program that tried. */
export class MountFailed extends Error {
  override readonly name = "MountFailed";
}

/**
 * Mounts the secrets, caches and files of the context of a step. A secret is in memory and in the variables of the step's processes,
 * nowhere else.
 *
 * @throws MountFailed; WrennError of the capsule's host.
 */
export async function mountFiles(
  { processes, files }: Pick<BuildCapsule, "processes" | "files">,
  { mounts, user, secrets, packed }: MountsOfStep,
  signal: AbortSignal,
): Promise<MountedFiles> {
  const envs: Record<string, string> = {};
  const binds: { readonly kind: RunMount["type"]; readonly from: string; readonly to: string }[] = [];
  const run = async (script: string, args: readonly string[]): Promise<void> => {
    const command = { cmd: "/bin/sh", args: ["-c", script, "mount", SECRETS, ...args] };
    const end = await runCommand(
      processes,
      { ...command, scope: rootScope, timeoutMs: MOUNT_MS },
      async () => {},
      signal,
    );
    const problem = problemWith(end, MOUNT_MS);
    if (problem !== undefined) throw new MountFailed(problem);
  };
  const given = mounts
    .filter((mount) => mount.type !== "bind")
    .filter((mount) => mount.type === "cache" || secrets.has(mount.id));
  const bind = mounts.find((mount) => mount.type === "bind");
  if (given.length > 0) await run(PREPARE, []);
  for (const [at, mount] of given.entries()) {
    if (mount.type === "cache") {
      const name = createHash("sha256").update(mount.id).digest("hex").slice(0, 32);
      binds.push({ kind: "cache", from: `${CACHES}/${name}`, to: mount.target });
      continue;
    }
    const value = secrets.get(mount.id) ?? "";
    if (mount.env !== undefined) envs[mount.env] = value;
    if (mount.target === undefined) continue;
    const from = `${SECRETS}/${at}`;
    await files.write(from, contentOf(value), { user: "root", mode: 0o400, signal });
    binds.push({ kind: "secret", from, to: mount.target });
  }
  if (binds.length > 0) await run(MOUNT, [user, ...binds.flatMap(({ kind, from, to }) => [kind, from, to])]);
  const fail = (problem: string): MountFailed => new MountFailed(problem);
  const unbind =
    bind && packed && (await mountSources({ processes }, { ...packed, target: bind.target }, fail, signal));
  return {
    envs,
    unmount: async () => {
      await unbind?.();
      if (given.length > 0) await run(UNMOUNT, binds.map(({ to }) => to).toReversed());
    },
  };
}

async function* contentOf(value: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(value);
}
