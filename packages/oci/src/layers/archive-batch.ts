const BATCH_BYTES = 256 * 1024;

/**
 * Gathers an archive in one buffer, which is used again and again: garbage collection of buffers would take longer than the copies.
 * The reader of a batch must be done with it before it asks for the next one.
 */
export class ArchiveBatch {
  readonly #buffer = Buffer.allocUnsafeSlow(BATCH_BYTES);
  #length = 0;

  /** Adds bytes, and yields each batch that is full. */
  *add(bytes: Uint8Array): Generator<Uint8Array> {
    for (let rest = bytes; rest.length > 0;) {
      const room = this.room(rest.length);
      room.set(rest.subarray(0, room.length));
      rest = rest.subarray(room.length);
      yield* this.filled(room.length);
    }
  }

  /** Where the next bytes go, at most `length` of them. */
  room(length: number): Buffer {
    return this.#buffer.subarray(this.#length, Math.min(this.#length + length, BATCH_BYTES));
  }

  /** Bytes were written to {@link ArchiveBatch.room}. */
  *filled(length: number): Generator<Uint8Array> {
    this.#length += length;
    if (this.#length < BATCH_BYTES) return;
    this.#length = 0;
    yield this.#buffer;
  }

  /** Yields what is left. */
  *rest(): Generator<Uint8Array> {
    if (this.#length > 0) yield this.#buffer.subarray(0, this.#length);
    this.#length = 0;
  }
}
