/**
 * Reads of single rows that are asked for at the same moment and share one query: with many clients the way to the database and
 * back costs more than the rows. Nothing is kept: a query begins after everything that it answers was asked.
 */
export class SharedReads<Row extends { readonly id: string }> {
  readonly #readMany: (ids: readonly string[]) => Promise<readonly Row[]>;
  #waiting: Map<string, PromiseWithResolvers<Row | undefined>> | undefined;

  constructor(readMany: (ids: readonly string[]) => Promise<readonly Row[]>) {
    this.#readMany = readMany;
  }

  /** The row of this id, as of a moment after the call. */
  async read(id: string): Promise<Row | undefined> {
    if (!this.#waiting) {
      this.#waiting = new Map();
      // After the requests that have arrived already.
      setImmediate(() => void this.#flush());
    }
    const known = this.#waiting.get(id);
    if (known) return await known.promise;
    const answer = Promise.withResolvers<Row | undefined>();
    this.#waiting.set(id, answer);
    return await answer.promise;
  }

  async #flush(): Promise<void> {
    const waiting = this.#waiting ?? new Map<string, PromiseWithResolvers<Row | undefined>>();
    this.#waiting = undefined;
    try {
      const rows = new Map((await this.#readMany([...waiting.keys()])).map((row) => [row.id, row]));
      for (const [id, { resolve }] of waiting) resolve(rows.get(id));
    } catch (error) {
      for (const { reject } of waiting.values()) reject(error);
    }
  }
}
