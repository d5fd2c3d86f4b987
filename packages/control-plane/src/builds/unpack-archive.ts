import type { BuildCapsule } from "./build-capsules.ts";
import { problemWith, rootScope, runCommand } from "./build-commands.ts";
import type { TakeOutput } from "./build-commands.ts";

/** Where the files of a build's archive are while it runs; the last steps of a build remove it. */
export const FILES = "/tmp/build-files";

const UNPACK_MS = 10 * 60_000;

/** Formats by what they begin with; anything else is taken for a tar, which says itself what is wrong with it. */
const FORMATS = [
  { name: "zip", magic: Buffer.from("PK\u0003\u0004", "latin1") },
  { name: "tar.gz", magic: Buffer.from([0x1f, 0x8b]) },
  { name: "tar.xz", magic: Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a]) },
] as const;

/**
 * Puts the files of a build's archive into its capsule, readable for every user. The capsule unpacks them: what an archive says of
 * paths and links concerns nothing outside.
 *
 * @returns what is wrong with the archive, in the words of the program that unpacks it; nothing when it is unpacked.
 * @throws what reading the archive throws; WrennError of the capsule's host.
 */
export async function unpackArchive(
  { processes, files }: Pick<BuildCapsule, "processes" | "files">,
  archive: () => AsyncIterable<Uint8Array>,
  take: TakeOutput,
  signal: AbortSignal,
): Promise<string | undefined> {
  const path = `${FILES}.${await formatOf(archive)}`;
  // A capsule that continues an earlier build may have the files of that.
  await runCommand(
    processes,
    { cmd: "rm", args: ["-rf", FILES], scope: rootScope, timeoutMs: UNPACK_MS },
    take,
    signal,
  );
  await files.write(path, archive(), { user: "root", signal });
  await files.makeDirectory(FILES, { user: "root", signal });
  const commands: readonly (readonly [string, ...string[]])[] = [
    path.endsWith(".zip")
      ? ["unzip", "-q", path, "-d", FILES]
      : ["tar", "-xf", path, "-C", FILES, "--no-same-owner"],
    ["chmod", "-R", "a+rX", FILES],
    ["rm", "-f", path],
  ];
  for (const [cmd, ...args] of commands) {
    const end = await runCommand(
      processes,
      { cmd, args, scope: rootScope, timeoutMs: UNPACK_MS },
      take,
      signal,
    );
    const problem = problemWith(end, UNPACK_MS);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** `tar`, `tar.gz`, `tar.xz` or `zip`. */
export async function formatOf(archive: () => AsyncIterable<Uint8Array>): Promise<string> {
  for await (const piece of archive()) {
    const start = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    return FORMATS.find(({ magic }) => start.subarray(0, magic.length).equals(magic))?.name ?? "tar";
  }
  return "tar";
}
