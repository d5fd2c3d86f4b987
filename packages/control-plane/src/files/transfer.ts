import { Readable } from "node:stream";
import { WrennError } from "@wrenn/core";
import type { FileContent } from "@wrenn/protocol";
import type { FastifyRequest } from "fastify";
import { waitingClient } from "../http/waiting-client.ts";
import type { WaitingReply } from "../http/waiting-client.ts";

/** Aborts when the client leaves before it has its answer, `graceMs` later. */
export function abortWhenGone(reply: WaitingReply, graceMs = 0): AbortSignal {
  const { left, outcome } = waitingClient(reply);
  if (graceMs === 0) return left;
  const later = new AbortController();
  void outcome.then((outcome) => {
    if (outcome === "left") setTimeout(() => later.abort(left.reason), graceMs).unref();
  });
  return later.signal;
}

/**
 * The body of a request that may be refused in the middle. The connection then stays open for the answer, and the rest of the body is
 * discarded: many clients read the answer only after they have sent everything.
 */
export async function* bodyOf({ raw }: FastifyRequest): AsyncGenerator<Uint8Array, void> {
  try {
    // Raw requests carry buffers; the type says that they may not.
    for await (const chunk of raw.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) yield chunk;
  } finally {
    raw.resume();
  }
}

/**
 * The bytes as a stream that fails, and so breaks the connection, when they end before `length` of them have come. Rejects when
 * not even the first ones can be read, so that the request can still be refused.
 */
export async function download({ bytes, entry }: FileContent, length: number | undefined): Promise<Readable> {
  const chunks = exactly(bytes, length, entry.path);
  const first = await chunks.next();
  return Readable.from(resumed(first, chunks), { objectMode: false });
}

async function* resumed(
  first: IteratorResult<Uint8Array, void>,
  rest: AsyncGenerator<Uint8Array, void>,
): AsyncGenerator<Uint8Array, void> {
  if (first.done === true) return;
  try {
    yield first.value;
    yield* rest;
  } finally {
    await rest.return();
  }
}

async function* exactly(
  bytes: AsyncIterable<Uint8Array>,
  size: number | undefined,
  path: string,
): AsyncGenerator<Uint8Array, void> {
  let sent = 0;
  for await (const chunk of bytes) {
    sent += chunk.length;
    if (size !== undefined && sent > size) break;
    if (chunk.length > 0) yield chunk;
  }
  if (size !== undefined && sent !== size)
    throw new WrennError("file_operation_failed", {
      operation: "reading",
      path,
      problem: `it changed meanwhile: ${sent} of ${size} bytes`,
    });
}
