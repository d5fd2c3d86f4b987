import { sizeText } from "./size-text.ts";
import type { TextStream } from "./output.ts";

const EVERY_MS = 100;
const WIDTH = 24;
/** Widest line: terminals that are narrower get less of it. */
const COLUMNS = 80;

/** A line on a terminal that shows how far a transfer is. Nothing is written where the stream is not a terminal. */
export class ProgressBar {
  readonly #stream: TextStream;
  readonly #now: () => number;
  readonly #startMs: number;
  #shownMs = 0;
  #isShown = false;

  constructor(stream: TextStream, now: () => number = () => performance.now()) {
    this.#stream = stream;
    this.#now = now;
    this.#startMs = now();
  }

  /**
   * @param total - bytes; undefined where it is not known.
   * @param beside - what else is said, such as the number of files.
   */
  show(bytes: number, total: number | undefined, beside = ""): void {
    if (this.#stream.isTTY !== true) return;
    const nowMs = this.#now();
    if (this.#isShown && nowMs - this.#shownMs < EVERY_MS) return;
    [this.#isShown, this.#shownMs] = [true, nowMs];
    const seconds = Math.max((nowMs - this.#startMs) / 1000, 0.001);
    const rate = `${sizeText(bytes / seconds)}/s`;
    const part = total === undefined || total === 0 ? undefined : Math.min(bytes / total, 1);
    const filled = Math.round((part ?? 0) * WIDTH);
    const bar = part === undefined ? "" : `[${"#".repeat(filled)}${" ".repeat(WIDTH - filled)}] `;
    const percent = part === undefined ? "" : `${String(Math.floor(part * 100)).padStart(3)} %  `;
    const amount = total === undefined ? sizeText(bytes) : `${sizeText(bytes)} of ${sizeText(total)}`;
    const line = `${bar}${percent}${amount}  ${rate}${beside === "" ? "" : `  ${beside}`}`;
    const columns = Math.min(this.#stream.columns ?? COLUMNS, COLUMNS) - 1;
    this.#stream.write(`\r\u001b[K${line.slice(0, Math.max(columns, 0))}`);
  }

  /** Removes the line. */
  clear(): void {
    if (this.#isShown) this.#stream.write("\r\u001b[K");
    this.#isShown = false;
  }
}
