/** What of a sequence of lines is kept: its beginning, and its end as far as it has come. */
export interface KeptLimits {
  /** Lines, and characters of lines, of the beginning; as many of the end. */
  readonly lines: number;
  readonly chars: number;
}

/**
 * Counts which lines of a growing sequence are kept. Lines are numbered from 0. Until the beginning is full all of them are kept; from
 * then on the oldest line behind it goes whenever the end has no room for another one.
 */
export class KeptLines {
  readonly #limits: KeptLimits;
  /** Lengths of the lines of the end, from `tailAt` on. Those before `#gone` are no longer kept. */
  readonly #lengths: number[] = [];
  #gone = 0;
  #chars = 0;
  #isFull = false;
  #headEnd = 0;
  #tailAt = 0;

  constructor(limits: KeptLimits) {
    this.#limits = limits;
  }

  /** Number of the first line that is not of the beginning. */
  get headEnd(): number {
    return this.#headEnd;
  }

  /** Number of the first line of the end: those between `headEnd` and this one are not kept. */
  get tailAt(): number {
    return this.#tailAt;
  }

  /** How many lines are not kept. */
  get dropped(): number {
    return this.#tailAt - this.#headEnd;
  }

  isKept(line: number): boolean {
    return line < this.#headEnd || line >= this.#tailAt;
  }

  /** Takes the next line. A line that is longer than the end may be is not kept. */
  add(length: number): void {
    const { lines, chars } = this.#limits;
    if (!this.#isFull && this.#headEnd < lines && this.#chars + length <= chars) {
      this.#chars += length;
      this.#tailAt = ++this.#headEnd;
      return;
    }
    if (!this.#isFull) this.#chars = 0;
    this.#isFull = true;
    this.#chars += length;
    this.#lengths.push(length);
    while (this.#lengths.length - this.#gone > lines || this.#chars > chars) {
      this.#chars -= this.#lengths[this.#gone++] ?? 0;
      this.#tailAt++;
    }
    if (this.#gone > 1024 && this.#gone * 2 > this.#lengths.length) {
      this.#lengths.splice(0, this.#gone);
      this.#gone = 0;
    }
  }
}

/** The output of a step as text: its beginning and its end, and between them how many lines are missing. */
export class StepOutput {
  readonly #kept: KeptLines;
  #head = "";
  readonly #tail: string[] = [];
  #count = 0;
  #gone = 0;

  /** @param chars - of the beginning, and of the end, line ends included. */
  constructor(chars: number) {
    this.#kept = new KeptLines({ lines: Infinity, chars });
  }

  /** @param line - without its end. */
  add(line: string): void {
    const text = `${line}\n`;
    const number = this.#count++;
    this.#kept.add(text.length);
    if (number < this.#kept.headEnd) {
      this.#head += text;
      return;
    }
    this.#tail.push(text);
    const gone = this.#kept.dropped - this.#gone;
    // Of the array only now and then: each time would be quadratic.
    if (gone > 1024 || gone * 2 > this.#tail.length) {
      this.#tail.splice(0, gone);
      this.#gone += gone;
    }
  }

  toString(): string {
    const { dropped } = this.#kept;
    const gap = dropped > 0 ? `… ${dropped} ${dropped === 1 ? "line is" : "lines are"} not kept …\n` : "";
    return this.#head + gap + this.#tail.slice(dropped - this.#gone).join("");
  }
}
