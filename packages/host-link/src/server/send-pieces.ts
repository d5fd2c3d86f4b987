import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { encodeFrame } from "../wire/frames.ts";
import { errorToWire } from "../wire/link-error.ts";
import { BEAT_MS } from "../wire/streams.ts";

/** One piece of an answer: a value, bytes, or both. */
export interface AnswerPiece {
  readonly value?: unknown;
  readonly payload?: Uint8Array;
}

/**
 * Answers with frames: the pieces as they come, beats in quiet times, and a last frame that reports the end or the error. An answer
 * without a last frame is incomplete.
 */
export async function sendPieces(
  response: ServerResponse,
  pieces: AsyncIterable<AnswerPiece>,
  signal: AbortSignal,
): Promise<void> {
  response.writeHead(200, { "content-type": "application/octet-stream" });
  response.flushHeaders();
  const beat = setInterval(() => {
    if (!response.writableNeedDrain) response.write(encodeFrame({ beat: true }));
  }, BEAT_MS);
  try {
    for await (const { value, payload } of pieces)
      await send(response, encodeFrame({ value: value ?? null }, payload), signal);
    response.end(encodeFrame({ end: true }));
  } catch (error) {
    if (!signal.aborted) response.end(encodeFrame({ error: errorToWire(error) }));
  } finally {
    clearInterval(beat);
  }
}

async function send(response: ServerResponse, frame: Buffer, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (!response.write(frame)) await once(response, "drain", { signal });
}
