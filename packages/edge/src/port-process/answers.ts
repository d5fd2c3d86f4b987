import { errorToWire } from "./messages.ts";

/** Sends `answer` or `failed`. */
export interface Replies {
  answer(ref: number, value: unknown): void;
  fail(ref: number, error: unknown): void;
}

/** Questions of the other process that are being answered. */
export class Answers {
  readonly #replies: Replies;
  readonly #open = new Map<number, AbortController>();

  constructor(replies: Replies) {
    this.#replies = replies;
  }

  /** Replies with the outcome, unless the question is abandoned before. Never rejects. */
  async give(ref: number, task: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
    const abandoned = new AbortController();
    this.#open.set(ref, abandoned);
    try {
      const value = await task(abandoned.signal);
      if (!abandoned.signal.aborted) this.#replies.answer(ref, value ?? null);
    } catch (error) {
      if (!abandoned.signal.aborted) this.#replies.fail(ref, errorToWire(error));
    } finally {
      if (this.#open.get(ref) === abandoned) this.#open.delete(ref);
    }
  }

  abandon(ref: number): void {
    this.#open.get(ref)?.abort(new Error("the answer is no longer waited for"));
  }

  abandonAll(): void {
    for (const ref of this.#open.keys()) this.abandon(ref);
  }
}
