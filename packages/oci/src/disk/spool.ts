import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { diskError } from "./blob-sink.ts";

const ZEROS = Buffer.alloc(256 * 1024);
const WINDOW_BYTES = 256 * 1024;

/** The decompressed archive of a layer on disk, from which contents of files are read. */
export class Spool implements AsyncDisposable {
  readonly #path: string;
  readonly #file: FileHandle;
  #size = 0;
  #window = Buffer.alloc(0);
  #windowStart = 0;

  private constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.#file = file;
  }

  /** An archive that is on disk already. */
  static async open(path: string): Promise<Spool> {
    return new Spool(path, await open(path, "r"));
  }

  /** A new file. @throws the operating system's error, also where the file exists. */
  static async create(path: string): Promise<Spool> {
    return new Spool(path, await open(path, "wx+", 0o600));
  }

  /** Takes the next bytes of the archive. Zeros take no room on the disk. */
  async append(piece: Buffer): Promise<void> {
    try {
      if (piece.length > ZEROS.length || !piece.equals(ZEROS.subarray(0, piece.length))) {
        let rest = piece;
        while (rest.length > 0) {
          const position = this.#size + piece.length - rest.length;
          const { bytesWritten } = await this.#file.write(rest, 0, rest.length, position);
          rest = rest.subarray(bytesWritten);
        }
      }
      this.#size += piece.length;
    } catch (error) {
      throw diskError(error, this.#path);
    }
  }

  /** The archive is complete. */
  async finish(): Promise<void> {
    await this.#file.truncate(this.#size);
  }

  /**
   * Bytes of the archive, at most 256 KiB of them. Files that follow each other in the archive are read together.
   *
   * @throws an error where the archive ends before.
   */
  async read(offset: number, length: number): Promise<Buffer> {
    const start = offset - this.#windowStart;
    if (start >= 0 && start + length <= this.#window.length)
      return this.#window.subarray(start, start + length);
    const { buffer, bytesRead } = await this.#file.read(
      Buffer.allocUnsafeSlow(WINDOW_BYTES),
      0,
      WINDOW_BYTES,
      offset,
    );
    if (bytesRead < length) throw new Error(`${this.#path} is shorter than it was`);
    this.#window = buffer.subarray(0, bytesRead);
    this.#windowStart = offset;
    return this.#window.subarray(0, length);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}
