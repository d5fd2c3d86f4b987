import { open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { syncDirectory } from "@wrenn/system";

/** The few file operations of the generation store, so that tests can let each of them fail. */
export interface StoreFiles {
  create(name: string): Promise<StoreFile>;
  rename(from: string, to: string): Promise<void>;
  /** Makes creations, renames and removals durable. */
  syncDirectory(): Promise<void>;
  list(): Promise<readonly string[]>;
  /** Removing what is not there is fine. */
  remove(name: string): Promise<void>;
  size(name: string): Promise<number>;
  /** Up to `length` bytes from `offset`; fewer only at the end of the file. */
  read(name: string, offset: number, length: number): Promise<Buffer>;
}

export interface StoreFile {
  /** Writes all of `bytes`; they may be reused afterwards. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Files of a real directory, which exists. */
export function directoryFiles(directory: string): StoreFiles {
  const path = (name: string): string => join(directory, name);
  return {
    async create(name) {
      const file = await open(path(name), "w", 0o640);
      return {
        async write(bytes, position) {
          for (let done = 0; done < bytes.length;) {
            done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
          }
        },
        sync: () => file.datasync(),
        close: () => file.close(),
      };
    },
    rename: (from, to) => rename(path(from), path(to)),
    syncDirectory: () => syncDirectory(directory),
    list: () => readdir(directory),
    remove: (name) => rm(path(name), { force: true }),
    async size(name) {
      const file = await open(path(name), "r");
      try {
        return (await file.stat()).size;
      } finally {
        await file.close();
      }
    },
    async read(name, offset, length) {
      const file = await open(path(name), "r");
      try {
        const bytes = Buffer.alloc(length);
        let done = 0;
        while (done < length) {
          const { bytesRead } = await file.read(bytes, done, length - done, offset + done);
          if (bytesRead === 0) break;
          done += bytesRead;
        }
        return bytes.subarray(0, done);
      } finally {
        await file.close();
      }
    },
  };
}
