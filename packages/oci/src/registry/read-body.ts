import type { IdleTimer } from "./idle-timer.ts";
import { transferErrorOf } from "./transfer-error.ts";

/** The pieces of a body. @throws TransferError when the connection breaks; the timer's reason. */
export async function* bodyPieces(response: Response, timer: IdleTimer): AsyncGenerator<Uint8Array> {
  if (response.body === null) return;
  try {
    for await (const piece of response.body) {
      timer.received(piece.byteLength);
      yield piece;
    }
  } catch (error) {
    throw timer.signal.aborted ? timer.signal.reason : transferErrorOf(error);
  }
}

/** All of a body; undefined where it is longer than `limit` bytes. @throws as {@link bodyPieces} */
export async function readBounded(
  response: Response,
  limit: number,
  timer: IdleTimer,
): Promise<Uint8Array | undefined> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of bodyPieces(response, timer)) {
    size += piece.byteLength;
    if (size > limit) return undefined;
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** Ends a response whose body is not read, so that its connection is free. */
export async function discardBody(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => {});
}
