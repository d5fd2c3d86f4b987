/**
 * A bounded log of bytes with offsets from zero (ARCHITECTURE.md#the-decisions-that-shape-everything). Old bytes fall out when the log is full;
 * a reader that asks for them is told from which offset the log still holds bytes.
 */
export class ByteLog {
  readonly #capacity: number;
  #chunks: Uint8Array[] = [];
  #start = 0;
  #end = 0;

  /** @param capacity - how many bytes are kept at most. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Offset of the oldest byte still held. */
  get start(): number {
    return this.#start;
  }

  /** Offset just past the newest byte. */
  get end(): number {
    return this.#end;
  }

  /** Appends bytes at {@link end}; the log keeps its own reference, so the caller must not write to `bytes` again. */
  append(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#chunks.push(bytes);
    this.#end += bytes.length;
    this.#trim(this.#end - this.#capacity);
  }

  /** Continues at a later offset: the bytes between were lost on the way, and what is held before them is let go too. */
  skipTo(offset: number): void {
    if (offset <= this.#end) return;
    this.#chunks = [];
    this.#start = this.#end = offset;
  }

  /** Forgets every byte before `offset`. */
  forget(offset: number): void {
    this.#trim(Math.min(offset, this.#end));
  }

  /**
   * The held bytes from `offset` on, at most `limit` of them. `offset` of the answer is where they really start:
   * later than asked when older bytes were dropped.
   */
  read(
    offset: number,
    limit: number = Number.MAX_SAFE_INTEGER,
  ): { readonly offset: number; readonly bytes: Uint8Array } {
    const from = Math.min(Math.max(offset, this.#start), this.#end);
    const to = Math.min(this.#end, from + limit);
    const out = new Uint8Array(to - from);
    let position = this.#start;
    for (const chunk of this.#chunks) {
      const next = position + chunk.length;
      if (next > from && position < to) {
        const part = chunk.subarray(Math.max(0, from - position), Math.min(chunk.length, to - position));
        out.set(part, Math.max(position, from) - from);
      }
      position = next;
    }
    return { offset: from, bytes: out };
  }

  #trim(offset: number): void {
    let drop = offset - this.#start;
    if (drop <= 0) return;
    let whole = 0;
    while (whole < this.#chunks.length) {
      const length = this.#chunks[whole]?.length ?? 0;
      if (length > drop) break;
      drop -= length;
      this.#start += length;
      whole++;
    }
    this.#chunks.splice(0, whole);
    const first = this.#chunks[0];
    if (drop > 0 && first) {
      this.#chunks[0] = first.slice(drop);
      this.#start += drop;
    }
  }
}
