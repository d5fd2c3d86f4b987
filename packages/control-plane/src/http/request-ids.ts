import type { Random } from "@wrenn/core";

const BYTES = 12;
/** Drawn at once: a call for randomness costs as much as the rest of a request's reception. */
const DRAWN = 256;

/** Ids of requests that bring none. They are random, so that those of several servers differ, and no secrets. */
export class RequestIds {
  readonly #random: Random;
  #drawn = "";
  #next = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  next(): string {
    if (this.#next === this.#drawn.length) {
      this.#drawn = Buffer.from(this.#random.bytes(BYTES * DRAWN)).toString("hex");
      this.#next = 0;
    }
    return `req-${this.#drawn.slice(this.#next, (this.#next += 2 * BYTES))}`;
  }
}
