/** What a machine may send at once, and each second; a message costs 1, and 1 more for each 256 bytes. */
const AT_ONCE = 16_384;
const EACH_SECOND = 2048;
const BYTES_EACH = 256;
/** A machine that sends more than its share for this long is not one that has much to report. */
const FLOOD_MS = 30_000;

/** How much of the server's time one control socket may take: 512 KiB or 2,048 messages each second. */
export class MessageBudget {
  #left = AT_ONCE;
  #at: number;
  /** When half of the budget was last there. */
  #halfAt: number;

  /** @param now - in milliseconds, of a clock that never goes back. */
  constructor(now: number) {
    this.#at = this.#halfAt = now;
  }

  /**
   * Takes what arrived out of the budget.
   *
   * @returns for how many milliseconds nothing more is to be read, or `flood`.
   */
  spend(messages: number, bytes: number, now: number): number | "flood" {
    this.#left = Math.min(AT_ONCE, this.#left + ((now - this.#at) / 1000) * EACH_SECOND);
    this.#at = now;
    if (this.#left >= AT_ONCE / 2) this.#halfAt = now;
    this.#left -= messages + bytes / BYTES_EACH;
    if (this.#left >= 0) return 0;
    if (now - this.#halfAt > FLOOD_MS) return "flood";
    return Math.ceil((-this.#left / EACH_SECOND) * 1000);
  }
}
