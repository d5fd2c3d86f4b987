/** What a capsule may cost the host by default. */
export const DEFAULT_BUFFER_BYTES = 64 << 20;
/**
 * Parts of the limit: up to the first one windows grow beyond what they need to move at all, up to the second one work begins; the rest
 * is for the requests and answers of work that has begun.
 */
const MARKS = { growth: 0.75, work: 0.9375, request: 1 } as const;
export type BufferUse = keyof typeof MARKS;

/** Memory that is given up when it is needed for something else. */
export interface Reclaimable {
  /** Whether someone reads it now: it is given up after what is read by no one. */
  readonly inUse: boolean;
  /** Gives the memory up, and lowers its share. */
  reclaim(): void;
}

/**
 * The memory that the host holds for one capsule: what its guest has sent and may yet send, and what waits for its guest. Every holder
 * has a share. When it is full, what is reclaimable goes first, the oldest first; then nothing is reserved until shares shrink.
 */
export class CapsuleBuffer {
  readonly #limit: number;
  #used = 0;
  /** In the order in which they were added. */
  readonly #reclaimable = new Set<Reclaimable>();

  constructor(limit = DEFAULT_BUFFER_BYTES) {
    this.#limit = limit;
  }

  /** Bytes of all shares. */
  get used(): number {
    return this.#used;
  }

  open(): BufferShare {
    return new BufferShare(this);
  }

  addReclaimable(item: Reclaimable): void {
    this.#reclaimable.add(item);
  }

  removeReclaimable(item: Reclaimable): void {
    this.#reclaimable.delete(item);
  }

  /** For {@link BufferShare}. */
  change(bytes: number): void {
    this.#used += bytes;
  }

  /** For {@link BufferShare}: whether `bytes` more fit, after everything was reclaimed that must be for them. */
  makeRoom(bytes: number, use: BufferUse): boolean {
    const mark = this.#limit * MARKS[use];
    // What would only be faster with more takes nothing away that is read.
    for (const inUse of use === "growth" ? [false] : [false, true]) {
      for (const item of this.#reclaimable) {
        if (this.#used + bytes <= mark) return true;
        if (item.inUse !== inUse) continue;
        this.#reclaimable.delete(item);
        item.reclaim();
      }
    }
    return this.#used + bytes <= mark;
  }
}

/** What one holder uses of a capsule's memory. */
export class BufferShare {
  readonly #buffer: CapsuleBuffer;
  #bytes = 0;

  constructor(buffer: CapsuleBuffer) {
    this.#buffer = buffer;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Records what is held already. It is never refused: others make room for it, as far as they can. */
  set(bytes: number): void {
    const more = bytes - this.#bytes;
    if (more > 0) this.#buffer.makeRoom(more, "request");
    this.#change(more);
  }

  /** Changes the share to `bytes`; whether there was room for this use of it. */
  reserve(bytes: number, use: BufferUse = "work"): boolean {
    const more = bytes - this.#bytes;
    if (more > 0 && !this.#buffer.makeRoom(more, use)) return false;
    this.#change(more);
    return true;
  }

  close(): void {
    this.#change(-this.#bytes);
  }

  #change(bytes: number): void {
    this.#bytes += bytes;
    this.#buffer.change(bytes);
  }
}
