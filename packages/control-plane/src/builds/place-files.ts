import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { problemOf, WrennError } from "@wrenn/core";
import type { CopyAction } from "@wrenn/recipe";
import { packTexts } from "@wrenn/recipe/context";
import type { BuildCapsule } from "./build-capsules.ts";
import { rootScope, runCommand } from "./build-commands.ts";
import type { CommandEnd } from "./build-commands.ts";
import type { PackedSource } from "./requested-build.ts";
import { formatOf } from "./unpack-archive.ts";

export const COPY_MS = 10 * 60_000;
/** Of files that stand in a recipe. */
export const FILE_MODE = 0o644;
/** The guest agent, a static program: it places files where an image has no program that could. */
const AGENT = "/proc/1/exe";
/** What that leads to in a guest. */
const AGENT_FILE = /^\/init\b/;
/** With the text `usage`: an agent of a guest that was frozen by an earlier version. */
const NOT_KNOWN = 2;

export interface FilesToCopy {
  readonly action: CopyAction;
  /** Number of the step: the directory of the archive that has its files. */
  readonly step: number;
  readonly archive: (() => AsyncIterable<Uint8Array>) | undefined;
  /** Undefined for a step whose files all stand in its recipe. */
  readonly packed: PackedSource | undefined;
}

/**
 * Has the guest agent perform COPY or ADD, without any program of the image.
 *
 * @returns how it ended; undefined where it cannot: the agent is older, or the step has an archive that only the image can unpack.
 * @throws WrennError of the capsule's host; what reading the archive throws.
 */
export async function placeFiles(
  { processes, files }: Pick<BuildCapsule, "processes" | "files">,
  { action, step, archive, packed }: FilesToCopy,
  signal: AbortSignal,
): Promise<CommandEnd | undefined> {
  if (action.unpack && packed !== undefined && packed.archives.length > 0) return undefined;
  const format = archive && packed ? await formatOf(archive) : "tar";
  if (format !== "tar" && format !== "tar.gz") return undefined;
  // Elsewhere the first process is another program.
  const { symlinkTarget = "" } = await files.stat(AGENT, { user: "root", signal });
  if (!AGENT_FILE.test(symlinkTarget)) return undefined;
  const directory = String(step);
  const isSingle = (packed?.single ?? true) && action.files.length <= 1;
  const kind = action.targetIsDirectory ? "directory" : isSingle ? "file" : "files";
  const content = async function* content(): AsyncGenerator<Uint8Array> {
    if (archive && packed) yield* format === "tar" ? archive() : gunzip(archive());
    yield* packTexts(directory, action.files, action.mode ?? FILE_MODE);
  };
  const end = await runCommand(
    processes,
    {
      cmd: AGENT,
      args: ["--place", action.target, kind, ownerOf(action.owner), directory],
      scope: rootScope,
      timeoutMs: COPY_MS,
      input: content(),
    },
    async () => {},
    signal,
  );
  return end.exitCode === NOT_KNOWN && end.stderr.startsWith("usage:") ? undefined : end;
}

async function* gunzip(archive: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const source = Readable.from(archive);
  const gunzip = createGunzip();
  source.on("error", (error) => gunzip.destroy(error));
  try {
    for await (const piece of source.pipe(gunzip)) yield piece as Buffer;
  } catch (error) {
    const code: unknown = error instanceof Error && "code" in error ? error.code : undefined;
    if (typeof code !== "string" || !code.startsWith("Z_")) throw error;
    throw new WrennError("invalid_field", { field: "archive", problem: problemOf(error) }, { cause: error });
  } finally {
    source.destroy();
    gunzip.destroy();
  }
}

/** An id has the group of the same number, unless one is named. */
function ownerOf(owner: string): string {
  return /^\d+$/.test(owner) ? `${owner}:${owner}` : owner;
}
