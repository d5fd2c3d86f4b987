import type { Readable } from "node:stream";

/** What a body is written to; both HTTP versions and sockets have this much. */
interface Sink {
  write(chunk: Buffer): boolean;
  on(event: "drain", listener: () => void): unknown;
}

/**
 * Moves a body chunk by chunk, reading no faster than the sink writes: memory stays at the streams' own buffers.
 *
 * @param onBytes - is told the size of each chunk.
 * @param onEnd - the source is complete; a source that breaks never gets here.
 */
export function pump(source: Readable, sink: Sink, onBytes: (size: number) => void, onEnd: () => void): void {
  source.on("data", (chunk: Buffer) => {
    onBytes(chunk.length);
    if (!sink.write(chunk)) source.pause();
  });
  sink.on("drain", () => source.resume());
  // A socket that had nothing left to read may have ended before anybody listened.
  if (source.readableEnded) onEnd();
  else source.on("end", onEnd);
}
