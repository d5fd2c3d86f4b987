import type { RecipePosition } from "./problem.ts";

/** Where a piece of joined text stands in the recipe. */
interface TextMark {
  /** Offset in the joined text. */
  readonly at: number;
  readonly position: RecipePosition;
}

/** The lines of one instruction, joined, and where each part of them stands. */
export class JoinedText {
  readonly text: string;
  readonly #marks: readonly TextMark[];
  /** The last answer. Questions mostly go forward: from here, a long line is counted once. */
  #last: { readonly mark: number; readonly at: number; readonly column: number };

  /** @param marks - by rising offset; the first is 0. */
  constructor(text: string, marks: readonly TextMark[]) {
    this.text = text;
    this.#marks = marks;
    this.#last = { mark: -1, at: 0, column: 0 };
  }

  positionAt(offset: number): RecipePosition {
    let low = 0;
    let high = this.#marks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#marks[middle]?.at ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    const mark = this.#marks[low];
    if (mark === undefined) return { line: 1, column: 1 };
    let { at, column } = { at: mark.at, column: mark.position.column };
    if (this.#last.mark === low && this.#last.at <= offset) ({ at, column } = this.#last);
    column += charactersIn(this.text, at, offset);
    this.#last = { mark: low, at: offset, column };
    return { line: mark.position.line, column };
  }

  whole(): Written {
    return new Written(this, 0, this.text);
  }
}

/** A piece of an instruction that knows its place in the recipe. */
export class Written {
  readonly text: string;
  readonly #joined: JoinedText;
  readonly #offset: number;

  constructor(joined: JoinedText, offset: number, text: string) {
    this.text = text;
    this.#joined = joined;
    this.#offset = offset;
  }

  /** Where one of its characters stands, or what follows it. */
  positionAt(offset: number): RecipePosition {
    return this.#joined.positionAt(this.#offset + offset);
  }

  slice(start: number, end = this.text.length): Written {
    return new Written(this.#joined, this.#offset + start, this.text.slice(start, end));
  }

  trim(): Written {
    const start = this.text.length - this.text.trimStart().length;
    return this.slice(start, start + this.text.trim().length);
  }
}

/** Characters, that is code points, from one UTF-16 offset to another. */
function charactersIn(text: string, from: number, to: number): number {
  let count = 0;
  for (let at = from; at < to; at += 1) {
    const unit = text.charCodeAt(at);
    const next = text.charCodeAt(at + 1);
    const isPair = unit >= 0xd800 && unit < 0xdc00 && next >= 0xdc00 && next < 0xe000;
    if (isPair && at + 1 < to) at += 1;
    count += 1;
  }
  return count;
}
