const CLEAR_LINE = "\u001b[2K";

/** A stream that a table is drawn on. */
interface TableStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): boolean;
}

/** A table that is drawn again in its place on a terminal; elsewhere its rows follow each other below one head. */
export class LiveTable {
  readonly isTerminal: boolean;
  readonly #stream: TableStream;
  #drawn = 0;

  constructor(stream: TableStream) {
    this.#stream = stream;
    this.isTerminal = stream.isTTY === true;
  }

  /** @param text - a head and rows, each with an end of line. */
  draw(text: string): void {
    const lines = text.split("\n").slice(0, -1);
    if (!this.isTerminal) {
      const fresh = this.#drawn === 0 ? lines : lines.slice(1);
      this.#drawn = 1;
      if (fresh.length > 0) this.#stream.write(`${fresh.join("\n")}\n`);
      return;
    }
    const { columns = 80, rows = 24 } = this.#stream;
    // A line that wraps, or a table higher than the window, could not be drawn again in its place.
    const shown = lines.slice(0, Math.max(1, rows - 1)).map((line) => line.slice(0, columns));
    const up = this.#drawn === 0 ? "" : `\u001b[${this.#drawn}A`;
    const rest = Math.max(0, this.#drawn - shown.length);
    const cleared = `${CLEAR_LINE}\n`.repeat(rest) + (rest === 0 ? "" : `\u001b[${rest}A`);
    this.#stream.write(`${up}\r${shown.map((line) => `${CLEAR_LINE}${line}\n`).join("")}${cleared}`);
    this.#drawn = shown.length;
  }
}
