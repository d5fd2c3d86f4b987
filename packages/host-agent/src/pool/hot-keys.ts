/** Uses that are remembered: enough to tell a habit from an exception, few enough to follow a change of it. */
const REMEMBERED = 8;

/** Which of several things was lately asked for most. */
export class HotKeys {
  #recent: readonly string[] = [];

  use(key: string): void {
    this.#recent = [...this.#recent, key].slice(-REMEMBERED);
  }

  forget(key: string): void {
    this.#recent = this.#recent.filter((one) => one !== key);
  }

  /** The most frequent of the last uses; of two that are equally so, the later one. */
  hottest(): string | undefined {
    const counts = new Map<string, number>();
    let best: string | undefined;
    for (const key of this.#recent) {
      const count = (counts.get(key) ?? 0) + 1;
      counts.set(key, count);
      if (best === undefined || count >= (counts.get(best) ?? 0)) best = key;
    }
    return best;
  }
}
