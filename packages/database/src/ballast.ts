import { rm, stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { problemOf } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import { runCommand } from "@wrenn/system";

const TICK_MS = 250;
const ALLOCATE_MS = 10_000;
/** What could not be allocated, as on a file system that cannot do so, is tried again after this. */
const AGAIN_MS = 60_000;

export interface BallastDeps {
  readonly logger: Logger;
}

export interface BallastOptions {
  /** A file on the file system of the database. */
  readonly path: string;
  readonly bytes: number;
}

/**
 * Room that is kept for the database by a file without content. When the disk is really full, whoever filled it, the file is
 * removed: the database can commit, and its users can delete what fills the disk. It is allocated again when there is room.
 */
export class Ballast {
  readonly #deps: BallastDeps;
  readonly #options: BallastOptions;
  readonly #timer: NodeJS.Timeout;
  #work: Promise<void>;
  #isHeld = false;
  #isBusy = true;
  #tryAt = -Infinity;
  #isReported = false;

  constructor(deps: BallastDeps, options: BallastOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#work = this.#open();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#timer.unref();
  }

  /** The file stays: the next server has it from its start. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#work;
  }

  async #open(): Promise<void> {
    const { path, bytes } = this.#options;
    const size = await stat(path).then(
      ({ blocks }) => blocks * 512,
      () => 0,
    );
    this.#isHeld = size >= bytes;
    this.#isBusy = false;
  }

  #tick(): void {
    if (this.#isBusy || (!this.#isHeld && performance.now() < this.#tryAt)) return;
    this.#isBusy = true;
    this.#work = this.#adjust()
      .catch((error: unknown) => {
        this.#tryAt = performance.now() + AGAIN_MS;
        if (!this.#isReported)
          this.#deps.logger.warn("database.ballast_failed", { problem: problemOf(error) });
        this.#isReported = true;
      })
      .finally(() => (this.#isBusy = false));
  }

  async #adjust(): Promise<void> {
    const { path, bytes } = this.#options;
    const { bavail, bsize } = await statfs(dirname(path));
    const free = bavail * bsize;
    if (this.#isHeld && free < bytes / 4) {
      await rm(path, { force: true });
      this.#isHeld = false;
      this.#deps.logger.error("database.disk_full", { path: dirname(path), released: bytes });
    } else if (!this.#isHeld && free > bytes * 3) {
      await rm(path, { force: true });
      await runCommand(["fallocate", "--length", String(bytes), path], {
        signal: AbortSignal.timeout(ALLOCATE_MS),
      });
      this.#isHeld = true;
    }
  }
}
