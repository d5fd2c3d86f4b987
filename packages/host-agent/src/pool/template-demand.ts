import type { Clock } from "@wrenn/core";

/** Uses that are remembered: enough to tell a habit from an exception, few enough to follow a change of it. */
const REMEMBERED = 8;
/** A template that was not used for this long is not expected to be used next. */
const RECENT_MS = 10 * 60_000;

interface Use {
  readonly key: string;
  readonly at: number;
}

/** Which templates are expected to be used next: those of the last ten minutes, and one that always is. */
export class TemplateDemand<T extends object> {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #values = new Map<string, T>();
  #recent: readonly Use[] = [];
  #expected: string | undefined;

  constructor(clock: Pick<Clock, "monotonic">) {
    this.#clock = clock;
  }

  use(key: string, value: T): void {
    this.#values.set(key, value);
    this.#recent = [...this.#recent, { key, at: this.#clock.monotonic() }].slice(-REMEMBERED);
  }

  /** It is worth one machine also when it was not used. */
  expect(key: string, value: T): void {
    this.#values.set(key, value);
    this.#expected = key;
  }

  forget(isForgotten: (value: T) => boolean): void {
    for (const [key, value] of this.#values) if (isForgotten(value)) this.#values.delete(key);
    this.#recent = this.#recent.filter(({ key }) => this.#values.has(key));
    if (this.#expected !== undefined && !this.#values.has(this.#expected)) this.#expected = undefined;
  }

  value(key: string): T | undefined {
    return this.#values.get(key);
  }

  /**
   * How many of `size` machines each key is worth, the most used first: one each, and what is left for the most used. A key that is
   * expected and not used is worth one.
   */
  shares(size: number): ReadonlyMap<string, number> {
    const used = this.#mostUsedFirst();
    const [hottest] = used;
    const isUsed = this.#expected === undefined || used.includes(this.#expected);
    const keys = [...used, ...(isUsed || this.#expected === undefined ? [] : [this.#expected])];
    const shares = new Map(keys.slice(0, size).map((key) => [key, 1]));
    if (hottest !== undefined && size > 0) shares.set(hottest, 1 + size - shares.size);
    return shares;
  }

  /** Of two keys that were used equally often, the later one is first. */
  #mostUsedFirst(): readonly string[] {
    const oldest = this.#clock.monotonic() - RECENT_MS;
    const counts = new Map<string, number>();
    for (const { key } of this.#recent.filter(({ at }) => at >= oldest).toReversed())
      counts.set(key, (counts.get(key) ?? 0) + 1);
    return [...counts].toSorted(([, left], [, right]) => right - left).map(([key]) => key);
  }
}
