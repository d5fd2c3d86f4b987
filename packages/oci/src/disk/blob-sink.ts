import { open, rm } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { WrennError } from "@wrenn/core";
import { hasCode } from "@wrenn/system";

/** Where the bytes of a download go. */
export interface BlobSink {
  write(bytes: Uint8Array): Promise<void>;
  /** Forgets what was written. */
  restart(): Promise<void>;
}

/** Keeps a small blob in memory. */
export class MemorySink implements BlobSink {
  #pieces: Uint8Array[] = [];

  async write(bytes: Uint8Array): Promise<void> {
    this.#pieces.push(bytes);
    await Promise.resolve();
  }

  async restart(): Promise<void> {
    this.#pieces = [];
    await Promise.resolve();
  }

  bytes(): Uint8Array {
    return Buffer.concat(this.#pieces);
  }
}

/** Writes a new file, which is removed unless it is kept. */
export class FileSink implements BlobSink, AsyncDisposable {
  readonly #path: string;
  readonly #file: FileHandle;
  #position = 0;
  #isKept = false;

  private constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.#file = file;
  }

  /** @throws the operating system's error, also where the file exists. */
  static async create(path: string): Promise<FileSink> {
    return new FileSink(path, await open(path, "wx", 0o600));
  }

  async write(bytes: Uint8Array): Promise<void> {
    let rest = bytes;
    try {
      while (rest.length > 0) {
        const { bytesWritten } = await this.#file.write(rest, 0, rest.length, this.#position);
        this.#position += bytesWritten;
        rest = rest.subarray(bytesWritten);
      }
    } catch (error) {
      throw diskError(error, this.#path);
    }
  }

  async restart(): Promise<void> {
    this.#position = 0;
    await this.#file.truncate(0);
  }

  keep(): void {
    this.#isKept = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
    if (!this.#isKept) await rm(this.#path, { force: true });
  }
}

/** A full disk by its own name. */
export function diskError(error: unknown, path: string): unknown {
  return hasCode(error, "ENOSPC", "EDQUOT") ? new WrennError("disk_full", { path }, { cause: error }) : error;
}
