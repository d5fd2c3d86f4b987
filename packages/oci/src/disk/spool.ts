import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { diskError } from "./blob-sink.ts";

const ZEROS = Buffer.alloc(256 * 1024);
const WINDOW_BYTES = 64 * 1024;

/** The decompressed archive of a layer on disk, from which contents of files are read. */
export class Spool implements AsyncDisposable {
  readonly #path: string;
  readonly #file: FileHandle;
  #size = 0;
  readonly #window = Buffer.allocUnsafeSlow(WINDOW_BYTES);
  #windowStart = 0;
  #windowLength = 0;

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
   * Reads bytes of the archive. Small files that follow each other in it are read together.
   *
   * @throws an error where the archive ends before.
   */
  async readInto(target: Buffer, offset: number): Promise<void> {
    if (target.length >= WINDOW_BYTES) return await this.#read(target, offset);
    let start = offset - this.#windowStart;
    if (start < 0 || start + target.length > this.#windowLength) {
      const { bytesRead } = await this.#file.read(this.#window, 0, WINDOW_BYTES, offset);
      this.#windowStart = offset;
      this.#windowLength = bytesRead;
      start = 0;
      if (bytesRead < target.length) throw new Error(`${this.#path} is shorter than it was`);
    }
    this.#window.copy(target, 0, start, start + target.length);
  }

  async #read(target: Buffer, offset: number): Promise<void> {
    let read = 0;
    while (read < target.length) {
      const { bytesRead } = await this.#file.read(target, read, target.length - read, offset + read);
      if (bytesRead === 0) throw new Error(`${this.#path} is shorter than it was`);
      read += bytesRead;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}
