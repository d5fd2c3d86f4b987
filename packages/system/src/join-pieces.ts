import type { Readable } from "node:stream";

/** Pieces smaller than this are copied together. */
const BLOCK_BYTES = 16 << 10;
const BLOCK_MIN = 1024;

/**
 * Makes what waits in a stream of bytes cost its bytes, whatever sizes they arrive in: a sender chooses the sizes, and each piece that
 * a stream holds is an object. Pieces that arrive together are joined, and so are those that arrive while earlier ones are not read.
 * Called before the first of them.
 */
export function joinPieces(stream: Readable): void {
  const push = stream.push.bind(stream);
  const read = stream.read.bind(stream);
  let block: Buffer = Buffer.alloc(0);
  let length = 0;
  let isFlushing = false;
  const give = (): void => {
    const joined = block.subarray(0, length);
    block = Buffer.alloc(0);
    length = 0;
    if (joined.length > 0 && !stream.destroyed) push(joined);
  };
  /** What is not read yet keeps the block back: reading the last of it gives the block out. */
  const giveWhenRead = (): void => {
    if (isFlushing || length === 0) return;
    isFlushing = true;
    process.nextTick(() => {
      isFlushing = false;
      if (stream.readableLength === 0) give();
    });
  };
  const isWanted = (): boolean => stream.readableLength + length < stream.readableHighWaterMark;
  stream.push = (chunk: unknown, encoding?: BufferEncoding): boolean => {
    if (!Buffer.isBuffer(chunk) || chunk.length >= BLOCK_BYTES) {
      give();
      return push(chunk, encoding);
    }
    if (length + chunk.length > BLOCK_BYTES) give();
    block = withRoom(block, length, length + chunk.length);
    length += chunk.copy(block, length);
    giveWhenRead();
    return isWanted();
  };
  stream.read = (size?: number): unknown => {
    if (stream.readableLength === 0) give();
    const bytes: unknown = read(size);
    if (stream.readableLength === 0) giveWhenRead();
    return bytes;
  };
}

/** A buffer of at least `needed` bytes that begins with the first `used` ones of `buffer`; it doubles, so that few are copied again. */
function withRoom(buffer: Buffer, used: number, needed: number): Buffer {
  if (buffer.length >= needed) return buffer;
  const larger = Buffer.allocUnsafe(Math.min(BLOCK_BYTES, Math.max(needed, 2 * buffer.length, BLOCK_MIN)));
  buffer.copy(larger, 0, 0, used);
  return larger;
}
