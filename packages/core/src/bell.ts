/**
 * Wakes everything that waits for the next change of some state. A waiter takes {@link next} before it looks at the state, so that
 * a change during the look is not missed.
 */
export class Bell {
  #next = Promise.withResolvers<void>();

  /** Resolves at the next ring. */
  get next(): Promise<void> {
    return this.#next.promise;
  }

  ring(): void {
    this.#next.resolve();
    this.#next = Promise.withResolvers<void>();
  }
}
