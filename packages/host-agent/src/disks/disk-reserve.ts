import { KeyedQueue, WrennError } from "@wrenn/core";

/** How much room a file system has, for a process without privileges. */
export interface DiskSpace {
  readonly totalBytes: number;
  readonly freeBytes: number;
}

export interface DiskReserveDeps {
  /** Room on the file system that holds everything the host agent stores. */
  readonly readSpace: () => Promise<DiskSpace>;
}

export interface DiskReserveOptions {
  /** The directory that errors name. */
  readonly path: string;
  /** Bytes that stay free for the database and for capsules that run. */
  readonly reserveBytes: number;
}

/**
 * What may use the disk down to which level. `new`: creates, checkpoints, forks and templates leave the whole reserve. `keep`:
 * pauses and work that frees room may use its upper half. Below that half capsules that write are stalled.
 */
export type DiskPurpose = "new" | "keep";

/** Room for work under way. Dispose of it when its files are written, or when it has failed. */
export interface DiskClaim extends Disposable {
  /**
   * The work turned out to write more: claims the difference to `bytes`.
   *
   * @throws WrennError `disk_full`; what was claimed before stays claimed.
   */
  growTo(bytes: number): Promise<void>;
}

interface AdmittedBytes {
  bytes: number;
}

/**
 * Admits work that writes to the host's disk, so that capsules never take the room that the database needs. Each operation claims
 * the most that it may write before it begins: operations that run at the same time cannot share the same free bytes.
 */
export class DiskReserve {
  readonly #deps: DiskReserveDeps;
  readonly #options: DiskReserveOptions;
  readonly #claims = new Set<AdmittedBytes>();
  /** Claims are judged one after another: each sees what was admitted before it, and none a claim that is refused. */
  readonly #turns = new KeyedQueue();

  constructor(deps: DiskReserveDeps, options: DiskReserveOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  get path(): string {
    return this.#options.path;
  }

  /** Free bytes at which the first half of the reserve is gone: capsules that write are stalled below this. */
  get stallBelow(): number {
    return this.#options.reserveBytes / 2;
  }

  /** Free bytes at which stalled capsules continue. A gap above the other mark keeps them from stopping again at once. */
  get continueAbove(): number {
    return this.#options.reserveBytes * 0.75;
  }

  get reserveBytes(): number {
    return this.#options.reserveBytes;
  }

  async freeBytes(): Promise<number> {
    return (await this.#deps.readSpace()).freeBytes;
  }

  /**
   * Claims room for an operation.
   *
   * @param bytes - the most that the operation writes.
   * @throws WrennError `disk_full` when less than its part of the reserve would stay free.
   */
  async claim(bytes: number, purpose: DiskPurpose): Promise<DiskClaim> {
    const admitted: AdmittedBytes = { bytes: 0 };
    await this.#admit(admitted, bytes, purpose);
    return {
      growTo: (more) => this.#admit(admitted, more, purpose),
      [Symbol.dispose]: () => void this.#claims.delete(admitted),
    };
  }

  async #admit(admitted: AdmittedBytes, bytes: number, purpose: DiskPurpose): Promise<void> {
    await this.#turns.run("claims", async () => {
      const free = await this.freeBytes();
      let others = 0;
      for (const one of this.#claims) if (one !== admitted) others += one.bytes;
      const kept = purpose === "new" ? this.reserveBytes : this.stallBelow;
      if (bytes > admitted.bytes && free - others - bytes < kept) throw this.#full(free);
      admitted.bytes = Math.max(admitted.bytes, bytes);
      this.#claims.add(admitted);
    });
  }

  #full(free: number): WrennError {
    const { path, reserveBytes } = this.#options;
    return new WrennError("disk_full", {
      path: `${path} (${inGib(free)} of it are free, and ${inGib(reserveBytes)} are kept in reserve)`,
    });
  }
}

/** A part of the disk that leaves enough for the rest of the system, on small disks as on large ones. */
export function defaultReserve(totalBytes: number): number {
  const gib = 2 ** 30;
  return Math.floor(Math.max(Math.min(totalBytes / 10, 20 * gib), Math.min(gib, totalBytes / 4)));
}

function inGib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
