/**
 * Serialises work per key: foreground verbs wait their turn with {@link KeyedQueue.run}, background actors
 * use {@link KeyedQueue.tryRun} and step aside when the key is busy.
 */
export class KeyedQueue {
  readonly #tails = new Map<string, Promise<unknown>>();

  /** Runs `task` after every earlier task of `key`, whatever became of them. */
  async run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const mine = before.then(task, task);
    const tail = mine.catch(() => {});
    this.#tails.set(key, tail);
    try {
      return await mine;
    } finally {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    }
  }

  /** Runs `task` only when nothing of `key` is running or waiting; otherwise returns {@link SKIPPED}. */
  async tryRun<T>(key: string, task: () => Promise<T>): Promise<T | typeof SKIPPED> {
    if (this.busy(key)) return SKIPPED;
    return await this.run(key, task);
  }

  /** Whether any task of `key` is running or waiting. */
  busy(key: string): boolean {
    return this.#tails.has(key);
  }

  /** Resolves when every task queued so far, of any key, has ended. */
  async drain(): Promise<void> {
    await Promise.all(this.#tails.values());
  }
}

/** What {@link KeyedQueue.tryRun} returns when the key was busy. */
export const SKIPPED: unique symbol = Symbol("skipped");
