import { once } from "node:events";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { ClientError } from "../errors/client-error.ts";
import type { CapsuleSide } from "./capsule-source.ts";

interface TarOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (bytes: number, total: number | undefined) => void;
}

/** What an archive had. */
export interface UnpackedTar {
  readonly files: number;
  readonly directories: number;
  readonly links: number;
  /** Of the archive. */
  readonly bytes: number;
}

/**
 * Owners of the archive are not those of the capsule, and bits that give rights are never set. `-vv` describes each entry in a line
 * that begins with its kind.
 */
const UNPACK = "umask 0; LC_ALL=C exec tar -xvvf - --no-same-owner --no-same-permissions";
/** Exit code of a shell that does not find a program. */
const NOT_FOUND = 127;
const NEWLINE = 0x0a;

/**
 * Writes the content of a directory of a capsule to standard output as a tar archive. Gives its bytes.
 *
 * @throws ClientError `output_is_terminal`; WrennError where the archive is not whole.
 */
export async function copyTarToOutput(
  { capsule, path, label, user }: CapsuleSide,
  stdout: NodeJS.WriteStream,
  { signal, onProgress }: TarOptions,
): Promise<number> {
  if (stdout.isTTY)
    throw new ClientError(
      "usage",
      "output_is_terminal",
      `${label} is a directory, and its archive is not for a terminal`,
      "Redirect standard output to a file or to `tar -t`, or name a local directory.",
    );
  const archive = await capsule.files.archive(path, { user, signal });
  let bytes = 0;
  await pipeline(archive as AsyncIterable<Uint8Array>, createGunzip(), async (chunks) => {
    for await (const chunk of chunks as AsyncIterable<Uint8Array>) {
      bytes += chunk.length;
      onProgress(bytes, undefined);
      if (!stdout.write(chunk)) await once(stdout, "drain", { signal });
    }
  });
  return bytes;
}

/**
 * Unpacks a tar archive from standard input into a directory of a capsule.
 *
 * @throws ClientError `tar_failed`: what was unpacked before stays.
 */
export async function unpackInput(
  stdin: AsyncIterable<Uint8Array>,
  { capsule, path, label, user = "root" }: CapsuleSide,
  { signal, onProgress }: TarOptions,
): Promise<UnpackedTar> {
  const { path: cwd } = await capsule.files.mkdir(path, { user, signal });
  let bytes = 0;
  const counted = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of stdin) {
      bytes += chunk.length;
      onProgress(bytes, undefined);
      yield chunk;
    }
  };
  const kinds = new KindCount();
  const { exitCode, stderr } = await capsule.commands.run(UNPACK, {
    stdin: counted(),
    cwd,
    user,
    signal,
    encoding: "bytes",
    onStdout: (chunk: Uint8Array) => kinds.add(chunk),
  });
  if (exitCode === NOT_FOUND)
    throw new ClientError(
      "failed",
      "tar_failed",
      `${label}: the capsule has no tar to unpack the archive with`,
      "Install tar in the capsule, or unpack the archive here and copy the directory.",
    );
  if (exitCode !== 0)
    throw new ClientError(
      "failed",
      "tar_failed",
      `${label}: the archive was not unpacked completely: ${stderr.trim().split("\n")[0] ?? ""}`,
      "Check that standard input is a tar archive without compression, and the rights and space in the directory.",
    );
  const { directories, links, all } = kinds;
  return { files: all - directories - links, directories, links, bytes };
}

/** Counts lines by their first character. */
class KindCount {
  all = 0;
  directories = 0;
  links = 0;
  #isStart = true;

  add(chunk: Uint8Array): void {
    for (const byte of chunk) {
      if (this.#isStart) this.#count(String.fromCharCode(byte));
      this.#isStart = byte === NEWLINE;
    }
  }

  #count(kind: string): void {
    this.all++;
    if (kind === "d") this.directories++;
    else if (kind === "l") this.links++;
  }
}
