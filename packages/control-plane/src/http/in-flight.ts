import type { ServerResponse } from "node:http";

/** Requests that have not been answered yet. */
export class InFlight {
  readonly #responses = new Set<ServerResponse>();

  add(response: ServerResponse): void {
    this.#responses.add(response);
    response.once("close", () => this.#responses.delete(response));
  }

  /** Waits until every request is answered, at most `ms` milliseconds. */
  async drain(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    const answered = Promise.all(
      [...this.#responses].map((response) => new Promise<void>((done) => response.once("close", done))),
    );
    await Promise.race([answered, promise]);
    clearTimeout(timer);
  }
}
