import { Readable } from "node:stream";
import { WrennError } from "@wrenn/core";
import type { FileContent } from "@wrenn/protocol";
import type { FastifyReply } from "fastify";

/** Aborts when the client leaves before it has its answer. */
export function abortWhenGone(reply: FastifyReply): AbortSignal {
  const left = new AbortController();
  reply.raw.once("close", () => {
    if (!reply.raw.writableFinished) left.abort(new Error("the client left"));
  });
  return left.signal;
}

/** The bytes as a stream that fails, and so breaks the connection, when they end before they should. */
export function download({ bytes, entry }: FileContent, size: number): Readable {
  return Readable.from(exactly(bytes, size === 0 ? undefined : size, entry.path), { objectMode: false });
}

async function* exactly(
  bytes: AsyncIterable<Uint8Array>,
  size: number | undefined,
  path: string,
): AsyncGenerator<Uint8Array> {
  let sent = 0;
  for await (const chunk of bytes) {
    // A file that grows meanwhile is given as long as it was when its length was told.
    const part = size === undefined ? chunk : chunk.subarray(0, size - sent);
    sent += part.length;
    if (part.length > 0) yield part;
    if (sent === size) return;
  }
  if (size !== undefined && sent < size)
    throw new WrennError("file_operation_failed", {
      operation: "reading",
      path,
      problem: `it became shorter meanwhile: ${sent} of ${size} bytes`,
    });
}
