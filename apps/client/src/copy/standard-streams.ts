import { createHash } from "node:crypto";
import { once } from "node:events";
import type { Capsule } from "@wrenn/sdk";
import type { CopyEntry, CopySource } from "./copy-entry.ts";
import { differs } from "./copy-errors.ts";
import { GuestCommands } from "./guest-commands.ts";

/** Inputs up to this size are kept in memory before they are sent. */
const HEAD_BYTES = 16 << 20;

interface StreamOptions {
  readonly isVerified: boolean;
  readonly signal: AbortSignal;
  readonly onProgress: (bytes: number, total: number | undefined) => void;
}

/** Writes a file of a capsule to standard output. Gives its bytes. @throws ClientError `copy_differs`. */
export async function copyToOutput(
  source: CopySource,
  root: CopyEntry,
  stdout: NodeJS.WritableStream,
  { signal, onProgress }: StreamOptions,
): Promise<number> {
  const digests = source.digests?.([root]);
  digests?.catch(() => undefined);
  const { size, chunks } = await source.open(root, 0);
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of chunks) {
    hash.update(chunk);
    bytes += chunk.length;
    onProgress(bytes, size);
    if (!stdout.write(chunk)) await once(stdout, "drain", { signal });
  }
  if (size === undefined) return bytes;
  if (bytes !== size) throw differs(source.label, `${bytes} of ${size} bytes arrived`);
  const expected = (await digests)?.get("");
  if (digests && expected !== hash.digest("hex"))
    throw differs(source.label, "the SHA-256 here and in the capsule differ, or it could not be computed");
  return bytes;
}

interface InputTarget {
  readonly capsule: Capsule;
  readonly label: string;
  readonly path: string;
  readonly user: string | undefined;
}

/**
 * Writes standard input to a file of a capsule; it appears whole or not at all. Gives its bytes. A short input is sent with its digest,
 * which the server verifies as the bytes arrive, and can be sent again.
 *
 * @throws ClientError `copy_differs`.
 */
export async function copyFromInput(
  stdin: AsyncIterable<Uint8Array>,
  { capsule, label, path, user }: InputTarget,
  { isVerified, signal, onProgress }: StreamOptions,
): Promise<number> {
  const input = stdin[Symbol.asyncIterator]();
  const head = await readHead(input, signal);
  const hash = createHash("sha256");
  let bytes = 0;
  const counted = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of rest(head.chunks, input)) {
      hash.update(chunk);
      bytes += chunk.length;
      onProgress(bytes, undefined);
      yield chunk;
    }
  };
  if (head.isAll) bytes = head.bytes;
  const data = head.isAll ? Buffer.concat(head.chunks) : counted();
  const entry = await capsule.files.write(path, data, { user, signal });
  onProgress(bytes, head.isAll ? bytes : undefined);
  if (entry.kind !== "symlink" && entry.size !== bytes)
    throw differs(label, `the file in the capsule has ${entry.size} bytes, and ${bytes} were sent`);
  if (!isVerified || head.isAll) return bytes;
  const digests = await new GuestCommands(capsule, user, signal).digests([entry.path]);
  if (digests.get(entry.path) !== hash.digest("hex"))
    throw differs(label, "the SHA-256 here and in the capsule differ, or it could not be computed");
  return bytes;
}

interface Head {
  readonly chunks: readonly Uint8Array[];
  readonly bytes: number;
  /** The input has ended. */
  readonly isAll: boolean;
}

/** The beginning of the input, or all of it where it is short. @throws the signal's reason. */
async function readHead(input: AsyncIterator<Uint8Array>, signal: AbortSignal): Promise<Head> {
  signal.throwIfAborted();
  let stop: () => void = () => undefined;
  const aborted = new Promise<undefined>((resolve) => (stop = () => resolve(undefined)));
  signal.addEventListener("abort", stop, { once: true });
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    while (bytes <= HEAD_BYTES) {
      const next = await Promise.race([aborted, input.next()]);
      signal.throwIfAborted();
      if (next?.done === true) return { chunks, bytes, isAll: true };
      if (next === undefined) continue;
      chunks.push(next.value);
      bytes += next.value.length;
    }
    return { chunks, bytes, isAll: false };
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

async function* rest(
  head: readonly Uint8Array[],
  input: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield* head;
  for (;;) {
    const { done, value } = await input.next();
    if (done === true) return;
    yield value;
  }
}
