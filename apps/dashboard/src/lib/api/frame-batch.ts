/**
 * Gathers what comes in quick succession and hands it over once a frame: a page that draws each line of a thousand draws nothing else.
 * Hidden pages have no frames: there it waits until they are shown.
 */
export class FrameBatch<Item> {
  readonly #take: (items: readonly Item[]) => void;
  #items: Item[] = [];
  #frame: number | undefined;

  constructor(take: (items: readonly Item[]) => void) {
    this.#take = take;
  }

  add(item: Item): void {
    this.#items.push(item);
    this.#frame ??= requestAnimationFrame(() => this.flush());
  }

  /** Hands over what has been gathered. */
  flush(): void {
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame);
    this.#frame = undefined;
    const items = this.#items;
    this.#items = [];
    if (items.length > 0) this.#take(items);
  }

  /** Drops what has been gathered. */
  clear(): void {
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame);
    this.#frame = undefined;
    this.#items = [];
  }
}
