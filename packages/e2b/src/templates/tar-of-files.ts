const BLOCK = 512;
const MODE = 0o644;

/** A file of an archive that is written. */
export interface TarredFile {
  /** At most 100 ASCII characters. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly content: () => AsyncIterable<Uint8Array>;
}

/** Bytes of the archive that {@link tarOf} writes. */
export function tarSize(files: readonly TarredFile[]): number {
  return files.reduce((sum, { sizeBytes }) => sum + BLOCK + padded(sizeBytes), 2 * BLOCK);
}

/** Writes an archive (POSIX ustar) of files, piece by piece. */
export async function* tarOf(files: readonly TarredFile[]): AsyncGenerator<Uint8Array> {
  for (const { name, sizeBytes, content } of files) {
    yield headerOf(name, sizeBytes);
    yield* content();
    yield Buffer.alloc(padded(sizeBytes) - sizeBytes);
  }
  yield Buffer.alloc(2 * BLOCK);
}

function headerOf(name: string, sizeBytes: number): Buffer {
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, "0");
  header.write(name, 0, "ascii");
  header.write(octal(MODE, 7), 100);
  header.write(octal(0, 7), 108);
  header.write(octal(0, 7), 116);
  header.write(octal(sizeBytes, 11), 124);
  header.write(octal(0, 11), 136);
  header.write(" ".repeat(8), 148);
  header.write("0", 156);
  header.write("ustar\u000000", 257, "latin1");
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 6)}\0 `, 148, "latin1");
  return header;
}

function padded(bytes: number): number {
  return Math.ceil(bytes / BLOCK) * BLOCK;
}
