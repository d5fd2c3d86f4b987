import { ConcurrencyLimit, problemOf, WrennError } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import type { FastifyReply } from "fastify";

const AT_ONCE = 4;
/** Memory for what waits is bounded: a caller beyond this is asked to come back. */
const MOST_WAITING = 1000;

/**
 * Work that begins when an answer has been sent. Neither the content nor the time of the answer depends on it, so that a client cannot
 * learn from them what the work finds, such as whether an address has an account.
 */
export class WorkAfterAnswer {
  readonly #logger: Logger;
  readonly #limit = new ConcurrencyLimit(AT_ONCE);
  readonly #pending = new Set<Promise<void>>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Does `work` once `reply` is sent, or its client is gone. A failure is logged. @throws WrennError `rate_limited` when too much waits. */
  begin(reply: FastifyReply, name: string, work: () => Promise<void>): void {
    if (this.#pending.size >= MOST_WAITING) throw new WrennError("rate_limited", { retry_after: 10 });
    const pending = this.#afterClose(reply)
      .then(async () => await this.#limit.run(work))
      .catch((error: unknown) =>
        this.#logger.error("work_after_answer.failed", { work: name, problem: problemOf(error) }),
      )
      .finally(() => this.#pending.delete(pending));
    this.#pending.add(pending);
  }

  /** Waits until all work that has been begun is done. */
  async settle(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  async #afterClose({ raw }: FastifyReply): Promise<void> {
    if (raw.closed) return;
    await new Promise<void>((resolve) => raw.once("close", resolve));
  }
}
