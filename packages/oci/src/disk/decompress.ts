import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { pipeline } from "node:stream";
import type { Readable, Transform } from "node:stream";
import { constants, createGunzip, createZstdDecompress } from "node:zlib";
import { TarError } from "../tar/tar-error.ts";

export type Compression = "none" | "gzip" | "zstd";

const PIECE_BYTES = 256 * 1024;
/** Memory of a window: what the zstd command accepts without being asked for more, 128 MiB. */
const MAX_ZSTD_WINDOW_LOG = 27;

/** How a file is compressed, by its first bytes: labels of registries and archives are not always right. */
export async function compressionOf(path: string): Promise<Compression> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
    return compressionOfBytes(buffer.subarray(0, bytesRead));
  } finally {
    await file.close();
  }
}

/** How contents are compressed that begin with these bytes (RFC 1952 section 2.3.1, RFC 8878 section 3.1). */
export function compressionOfBytes(first: Buffer): Compression {
  if (first.length >= 2 && first[0] === 0x1f && first[1] === 0x8b) return "gzip";
  if (first.length < 4) return "none";
  const magic = first.readUInt32LE(0);
  // zstd:chunked layers may begin with a frame that is to be skipped.
  return magic === 0xfd2fb528 || (magic & 0xfffffff0) >>> 0 === 0x184d2a50 ? "zstd" : "none";
}

/**
 * The pieces of a file after decompression.
 *
 * @param onRead - takes how many bytes of the file were read so far.
 * @throws TarError where the compression is damaged; the signal's reason; the operating system's error.
 */
export async function* decompress(
  path: string,
  compression: Compression,
  signal: AbortSignal,
  onRead?: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  const source = createReadStream(path, { highWaterMark: PIECE_BYTES });
  const pieces = compression === "none" ? source : unpacked(source, compression);
  try {
    for await (const piece of pieces as AsyncIterable<Buffer>) {
      signal.throwIfAborted();
      onRead?.(source.bytesRead);
      yield piece;
    }
  } catch (error) {
    throw isCompressionError(error) ? new TarError(`its ${compression} data is damaged`) : error;
  } finally {
    source.destroy();
    pieces.destroy();
  }
}

function unpacked(source: Readable, compression: "gzip" | "zstd"): Transform {
  const decompressor =
    compression === "gzip"
      ? createGunzip({ chunkSize: PIECE_BYTES })
      : createZstdDecompress({
          chunkSize: PIECE_BYTES,
          params: { [constants.ZSTD_d_windowLogMax]: MAX_ZSTD_WINDOW_LOG },
        });
  // Errors reach the reader of the pieces, so that nothing is left to do here.
  return pipeline(source, decompressor, () => {});
}

function isCompressionError(error: unknown): boolean {
  const code: unknown = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" && /^(?:Z_|ZSTD_|ERR__?(?:ZSTD|ZLIB))/.test(code);
}
