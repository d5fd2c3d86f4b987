/** What the answers of one host that are being read may have together: two of the longest. */
const TOTAL_BYTES = 128 << 20;

/** Counts the bytes of answers that are being read, of all calls to one host. */
export class AnswerBudget {
  #used = 0;

  /** One answer takes bytes as they arrive, and gives all of them back at its end. */
  begin(): AnswerShare {
    let own = 0;
    return {
      take: (bytes) => {
        if (this.#used + bytes > TOTAL_BYTES)
          throw new RangeError("the host's answers are too long together");
        this.#used += bytes;
        own += bytes;
      },
      end: () => {
        this.#used -= own;
        own = 0;
      },
    };
  }
}

export interface AnswerShare {
  /** @throws RangeError when the answers of the host have too many bytes together. */
  take(bytes: number): void;
  end(): void;
}
