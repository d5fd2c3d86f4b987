import type { BuildCapsule } from "./build-capsules.ts";
import { problemWith, rootScope, runCommand } from "./build-commands.ts";
import type { CommandEnd, TakeOutput } from "./build-commands.ts";
import { COPY_MS, FILE_MODE, placeFiles } from "./place-files.ts";
import type { FilesToCopy } from "./place-files.ts";
import type { PackedSource } from "./requested-build.ts";
import { formatOf } from "./unpack-archive.ts";

/** Where the files of a step are until they are at their target. */
const STAGE = "/tmp/build-copy";

/*
 * For guests whose agent cannot place files, and for archives that ADD unpacks. Brings what is in the stage to its target, by what both GNU and BusyBox have. Arguments: the stage, the target, whether the target is a directory in any case, whether
 * there is one file alone, the owner, and the paths of archives in the stage that are unpacked where they are. Directories that are
 * there already keep their owner and mode, and links to directories stay links.
 */
const PLACE = `
set -eu
stage=$1 target=$2 directory=$3 single=$4 owner=$5
shift 5
replace() { cp -a --remove-destination --no-target-directory -- "$1" "$2"; }
merge() {
  for path in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    [ -e "$path" ] || [ -h "$path" ] || continue
    to=$2/\${path##*/}
    if [ -d "$path" ] && [ ! -h "$path" ] && [ -d "$to" ]; then (merge "$path" "$to"); else replace "$path" "$to"; fi
  done
}
for archive; do
  tar -xf "$stage/$archive" -C "$(dirname -- "$stage/$archive")" --no-same-owner
  rm -f -- "$stage/$archive"
done
chown -hR -- "$owner" "$stage"
if [ "$single" = yes ] && [ "$directory" = no ] && [ ! -d "$target" ]; then
  mkdir -p -- "$(dirname -- "$target")"
  for path in "$stage"/* "$stage"/.[!.]* "$stage"/..?*; do
    if [ -e "$path" ] || [ -h "$path" ]; then replace "$path" "$target"; fi
  done
else
  if [ ! -d "$target" ]; then
    mkdir -p -- "$target"
    chown -- "$owner" "$target"
  fi
  merge "$stage" "$target"
fi
rm -rf -- "$stage"
`;

/**
 * Performs COPY or ADD of files that a client has packed, or that stand in the recipe. An abort leaves some of them behind: the capsule
 * of a build that is aborted ends.
 *
 * @returns what is wrong, in the words of the program that found it; nothing when the files are there.
 * @throws WrennError of the capsule's host.
 */
export async function copyFiles(
  { processes, files }: Pick<BuildCapsule, "processes" | "files">,
  { action, step, archive, packed }: FilesToCopy,
  take: TakeOutput,
  signal: AbortSignal,
): Promise<{ readonly problem: string; readonly exitCode: number } | undefined> {
  const run = async (cmd: string, args: readonly string[], input?: AsyncIterable<Uint8Array>) =>
    failureOf(
      await runCommand(
        processes,
        { cmd, args, scope: rootScope, timeoutMs: COPY_MS, ...(input && { input }) },
        take,
        signal,
      ),
    );
  const end = await placeFiles({ processes, files }, { action, step, archive, packed }, signal);
  if (end) return failureOf(end);
  // A capsule that continues an earlier build may have what a broken-off step left.
  const failure = (await run("rm", ["-rf", "--", STAGE])) ?? (await run("mkdir", ["-m", "700", "--", STAGE]));
  if (failure) return failure;
  if (archive && packed) {
    const unpack = await unpackCommand({ archive, step, source: packed }, STAGE);
    const problem = await run("tar", unpack, archive());
    if (problem) return problem;
  }
  const mode = action.mode ?? FILE_MODE;
  for (const { name, content } of action.files)
    await files.write(`${STAGE}/${name}`, textOf(content), { user: "root", mode, signal });
  const single = packed?.single ?? action.files.length === 1;
  return await run("/bin/sh", [
    "-c",
    PLACE,
    "copy",
    STAGE,
    action.target,
    yesOrNo(action.targetIsDirectory),
    yesOrNo(single && action.files.length <= 1),
    ownerAsArgument(action.owner),
    ...(action.unpack ? (packed?.archives ?? []) : []),
  ]);
}

/** The files of one step in the archive of its build. */
export interface PackedFiles {
  readonly archive: () => AsyncIterable<Uint8Array>;
  /** Number of the step: the directory of the archive that has its files. */
  readonly step: number;
  readonly source: PackedSource;
}

/** Arguments with which `tar` reads the archive from its input, and puts the files of the step into a directory. */
export async function unpackCommand(
  { archive, step }: PackedFiles,
  directory: string,
): Promise<readonly string[]> {
  const format = unpackFlags.get(await formatOf(archive)) ?? "-x";
  const options = ["--strip-components=1", "--no-same-owner"];
  return [format, "-pf", "-", "-C", directory, ...options, "--", `${step}`];
}

const unpackFlags: ReadonlyMap<string, string> = new Map([
  ["tar.gz", "-xz"],
  ["tar.xz", "-xJ"],
]);

function failureOf(end: CommandEnd): { readonly problem: string; readonly exitCode: number } | undefined {
  const problem = problemWith(end, COPY_MS);
  return problem === undefined ? undefined : { problem, exitCode: end.exitCode };
}

/** For chown: a name brings its own group, an id the group of the same number. */
export function ownerAsArgument(owner: string): string {
  if (owner.includes(":")) return owner;
  return /^\d+$/.test(owner) ? `${owner}:${owner}` : `${owner}:`;
}

function yesOrNo(value: boolean): string {
  return value ? "yes" : "no";
}

async function* textOf(content: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(content);
}
