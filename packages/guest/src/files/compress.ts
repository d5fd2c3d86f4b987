import { pipeline, Readable } from "node:stream";
import { constants, createGzip } from "node:zlib";

/** The bytes compressed with gzip (RFC 1952). A failure of the source is one of the result; leaving early ends the source. */
export function compress(source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const gzip = createGzip({ level: constants.Z_BEST_SPEED });
  // Whoever iterates meets the error; the callback only says that nobody else needs to.
  pipeline(Readable.from(source, { objectMode: false }), gzip, () => {});
  return gzip;
}
