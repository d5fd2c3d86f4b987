import { constants } from "node:fs";
import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { KeyedQueue, problemOf } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import type { ConsoleLog } from "@wrenn/protocol";
import { hasCode } from "@wrenn/system";
import { CONSOLE_LOG } from "@wrenn/vmm";
import type { CapsuleDirectory } from "../capsules/capsule-directory.ts";
import { ConsoleLogFile } from "./console-log-file.ts";

/** Read at once; of a capsule that writes more until the next look the newest are kept. */
const LOOK_BYTES = 64 << 10;

/** One of the two files that a machine's supervisor writes its console to. */
interface SourceFile {
  readonly handle: FileHandle;
  readonly name: string;
  readonly size: number;
}

export interface ConsoleKeeperDeps {
  readonly clock: Pick<Clock, "now">;
  readonly logger: Logger;
}

/**
 * Keeps what machines wrote to their consoles beyond their ends: bytes with offsets and the times at which they were read. The
 * supervisor of a machine keeps the last 128 to 256 KiB in two files, which go with the machine.
 */
export class ConsoleKeeper {
  readonly #deps: ConsoleKeeperDeps;
  readonly #queue = new KeyedQueue();
  /** As long as the capsule is known. */
  readonly #files = new WeakMap<CapsuleDirectory, ConsoleLogFile>();

  constructor(deps: ConsoleKeeperDeps) {
    this.#deps = deps;
  }

  /** Takes what the machine has written since the last look. What goes wrong is logged: no operation depends on it. */
  async collect(directory: CapsuleDirectory): Promise<void> {
    try {
      await this.#queue.run(directory.path, () => this.#collect(directory));
    } catch (error) {
      // A capsule that was removed meanwhile has no log.
      if (hasCode(error, "ENOENT")) return;
      this.#deps.logger.warn("console.not_kept", { capsule: directory.id, problem: problemOf(error) });
    }
  }

  /** What is kept from `from` on, the present included. */
  async read(directory: CapsuleDirectory, from: number): Promise<ConsoleLog> {
    await this.collect(directory);
    return await this.#queue.run(directory.path, () => this.#fileOf(directory).read(from));
  }

  async #collect(directory: CapsuleDirectory): Promise<void> {
    const log = this.#fileOf(directory);
    const read = await log.source();
    await using present = await openSource(join(directory.run, CONSOLE_LOG));
    if (!present) return;
    if (present.name === read?.file) return await this.#take(log, present, read.end, false);
    await using earlier = await openSource(join(directory.run, `${CONSOLE_LOG}.1`));
    const follows = earlier?.name === read?.file;
    if (earlier)
      await this.#take(log, earlier, follows ? (read?.end ?? 0) : 0, !follows && read !== undefined);
    await this.#take(log, present, 0, false);
  }

  /** @param gap - bytes between those that were read and `from` are lost. */
  async #take(log: ConsoleLogFile, source: SourceFile, from: number, gap: boolean): Promise<void> {
    if (source.size <= from) return;
    const start = Math.max(from, source.size - LOOK_BYTES);
    const bytes = Buffer.alloc(source.size - start);
    const { bytesRead } = await source.handle.read(bytes, 0, bytes.length, start);
    if (bytesRead === 0) return;
    await log.append(
      { at: this.#deps.clock.now(), bytes: bytes.subarray(0, bytesRead), gap: gap || start > from },
      { file: source.name, end: start + bytesRead },
    );
  }

  #fileOf(directory: CapsuleDirectory): ConsoleLogFile {
    const known = this.#files.get(directory);
    if (known) return known;
    const made = new ConsoleLogFile(directory.path);
    this.#files.set(directory, made);
    return made;
  }
}

/** Opens a file in a directory that a machine can write to: nothing but a file of its own name is read. */
async function openSource(path: string): Promise<(SourceFile & AsyncDisposable) | undefined> {
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    // A link is no console, and nothing to report at each look.
    if (hasCode(error, "ENOENT") || hasCode(error, "ELOOP")) return undefined;
    throw error;
  }
  const stats = await handle.stat();
  const dispose = (): Promise<void> => handle.close();
  if (stats.isFile())
    // An inode number alone would be that of the next machine's file as well.
    return {
      handle,
      name: `${stats.ino}-${stats.birthtimeMs}`,
      size: stats.size,
      [Symbol.asyncDispose]: dispose,
    };
  await dispose();
  return undefined;
}
