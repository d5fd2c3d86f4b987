import { abortable, withDeadline } from "@wrenn/core";

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Questions to the other process that wait for their answers. */
export class Questions {
  readonly #waiting = new Map<number, Waiting>();
  #nextRef = 1;

  /**
   * Asks and waits for the answer.
   *
   * @param send - sends the question.
   * @param abandon - tells the other side that the answer is no longer waited for.
   * @throws the error of the answer; the signal's reason; WrennError `deadline_exceeded` after `ms` milliseconds.
   */
  async ask(
    {
      what,
      ms,
      signal,
    }: { readonly what: string; readonly ms: number; readonly signal?: AbortSignal | undefined },
    send: (ref: number) => void,
    abandon: (ref: number) => void,
  ): Promise<unknown> {
    const ref = this.#nextRef++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.set(ref, { resolve, reject });
    try {
      return await withDeadline(what, ms, signal, async (ending) => {
        send(ref);
        return await abortable(ending, promise);
      });
    } finally {
      if (this.#waiting.delete(ref)) abandon(ref);
    }
  }

  answer(ref: number, value: unknown): void {
    this.#take(ref)?.resolve(value);
  }

  fail(ref: number, error: unknown): void {
    this.#take(ref)?.reject(error);
  }

  /** Answers all of them with nothing. */
  answerAll(): void {
    for (const ref of this.#waiting.keys()) this.answer(ref, undefined);
  }

  #take(ref: number): Waiting | undefined {
    const waiting = this.#waiting.get(ref);
    this.#waiting.delete(ref);
    return waiting;
  }
}
