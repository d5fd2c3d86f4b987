import { once } from "node:events";

/**
 * Writes bytes, and waits while the reader of the stream is slow.
 *
 * @throws what breaks the stream, such as EPIPE; the signal's reason.
 */
export async function writeAll(
  stream: NodeJS.WriteStream,
  bytes: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  if (!stream.write(bytes)) await once(stream, "drain", { signal });
}
