import { KeyedQueue, problemOf } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import type { ConsoleLog } from "@wrenn/protocol";
import { hasCode } from "@wrenn/system";
import { readConsole } from "@wrenn/vmm";
import type { CapsuleDirectory } from "../capsules/capsule-directory.ts";
import { ConsoleLogFile } from "./console-log-file.ts";

/** Read at once; of a capsule that writes more until the next look the newest are kept. */
const LOOK_BYTES = 64 << 10;

export interface ConsoleKeeperDeps {
  readonly clock: Pick<Clock, "now">;
  readonly logger: Logger;
}

/**
 * Keeps what machines wrote to their consoles beyond their ends: bytes with offsets and the times at which they were read. The
 * supervisor of a machine keeps the last 240 KiB in a ring, which goes with the machine.
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
    const known = (file: string): number => (file === read?.file ? read.end : 0);
    const piece = await readConsole(directory.run, (file) => ({ from: known(file), most: LOOK_BYTES }));
    if (!piece || piece.bytes.length === 0) return;
    const { file, start, bytes } = piece;
    // Bytes between those that were read and these are lost.
    const gap = start > known(file);
    await log.append({ at: this.#deps.clock.now(), bytes, gap }, { file, end: start + bytes.length });
  }

  #fileOf(directory: CapsuleDirectory): ConsoleLogFile {
    const known = this.#files.get(directory);
    if (known) return known;
    const made = new ConsoleLogFile(directory.path);
    this.#files.set(directory, made);
    return made;
  }
}
