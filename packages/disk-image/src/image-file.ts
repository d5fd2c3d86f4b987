import { constants } from "node:fs";
import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { WrennError } from "@wrenn/core";
import { hasCode } from "@wrenn/system";

/** An open image. */
export interface OpenImage extends AsyncDisposable {
  readonly handle: FileHandle;
  readonly path: string;
  readonly sizeBytes: number;
  /** Bytes that the file occupies on the host. */
  readonly allocatedBytes: number;
  /** The same for two names of one file, and for no other file. */
  readonly identity: string;
  /** Fills the buffer from this place in the file on. What lies behind the end of the file is zeros. */
  readonly read: (buffer: Buffer, position: number) => Promise<void>;
}

/**
 * Opens an image. The file is a regular one at exactly this path: a symbolic link in its place is not followed, and a named
 * pipe or device is neither waited for nor read.
 *
 * @throws WrennError `disk_image_refused` when it is missing or is not a regular file; system errors.
 */
export async function openImage(path: string, access: "read" | "write" = "read"): Promise<OpenImage> {
  const refuse = (problem: string, cause?: unknown): never => {
    throw new WrennError("disk_image_refused", { path, problem }, { cause });
  };
  const direction = access === "read" ? constants.O_RDONLY : constants.O_RDWR;
  const flags = direction | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;
  const handle = await open(path, flags).catch((error: unknown) => {
    if (hasCode(error, "ENOENT", "ENOTDIR")) return refuse("it does not exist", error);
    if (hasCode(error, "ELOOP", "ENXIO", "EACCES", "EISDIR"))
      return refuse("it is not a regular file", error);
    throw error;
  });
  await using opened = new AsyncDisposableStack();
  opened.defer(() => handle.close());
  const stats = await handle.stat();
  if (!stats.isFile()) return refuse("it is not a regular file");
  const kept = opened.move();
  return {
    handle,
    path,
    sizeBytes: stats.size,
    allocatedBytes: stats.blocks * 512,
    identity: `${stats.dev}:${stats.ino}`,
    read: async (buffer, position) => {
      let done = 0;
      while (done < buffer.length) {
        const { bytesRead } = await handle.read(buffer, done, buffer.length - done, position + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      buffer.fill(0, done);
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
