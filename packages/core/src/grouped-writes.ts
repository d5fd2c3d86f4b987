/** Bounds the statement that a group becomes. */
const MOST = 64;

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly answer: PromiseWithResolvers<Result>;
}

/**
 * Writes that share a transaction with those that are asked for while another one is under way. One at a time they would wait
 * for the same locks and for a disk each; alone, one waits for nobody.
 */
export class GroupedWrites<Item, Result> {
  readonly #write: (items: readonly Item[]) => Promise<readonly (Result | Error)[]>;
  readonly #waiting: Waiting<Item, Result>[] = [];
  #busy = false;

  /** @param write - gives for each item, in their order, its result or what is wrong with it alone. */
  constructor(write: (items: readonly Item[]) => Promise<readonly (Result | Error)[]>) {
    this.#write = write;
  }

  /** @throws what `write` said of this item, or threw for all of them. */
  async write(item: Item): Promise<Result> {
    const answer = Promise.withResolvers<Result>();
    this.#waiting.push({ item, answer });
    if (!this.#busy) {
      this.#busy = true;
      // After the requests that have arrived already.
      setImmediate(() => void this.#flush());
    }
    return await answer.promise;
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, MOST);
      try {
        const results = await this.#write(group.map(({ item }) => item));
        for (const [at, { answer }] of group.entries()) {
          const result = results[at];
          if (result instanceof Error) answer.reject(result);
          else answer.resolve(result as Result);
        }
      } catch (error) {
        for (const { answer } of group) answer.reject(error);
      }
    }
    this.#busy = false;
  }
}
