import { JoinedText } from "./written.ts";
import type { RecipePosition } from "./problem.ts";

/** What begins the first lines of a recipe and is no instruction. */
const DIRECTIVE = /^\s*#\s*([A-Za-z][A-Za-z0-9]*)\s*=/;
const KNOWN_DIRECTIVES: ReadonlySet<string> = new Set(["escape", "syntax", "check"]);

/** `# escape=…` and its like. */
export interface RecipeDirective {
  readonly name: string;
  readonly value: string;
  readonly position: RecipePosition;
}

/** The lines of a recipe, read once from the first to the last. */
export class RecipeLines {
  readonly #lines: readonly string[];
  #next = 0;
  /** Joins a line with the next one when it ends a line. */
  escape = "\\";

  constructor(text: string) {
    // Editors of Windows write a mark at the begin and CR LF.
    this.#lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  }

  /** The number of the line that was read last, from 1. */
  get line(): number {
    return this.#next;
  }

  /** The next line as it is, for heredocs. */
  readRaw(): string | undefined {
    const line = this.#lines[this.#next];
    if (line !== undefined) this.#next += 1;
    return line;
  }

  /** Directives stand before everything else; the first line that is none ends them. */
  readDirectives(): readonly RecipeDirective[] {
    const directives: RecipeDirective[] = [];
    for (;;) {
      const line = this.#lines[this.#next];
      const [before = "", written = ""] = DIRECTIVE.exec(line ?? "") ?? [];
      const name = written.toLowerCase();
      if (line === undefined || !KNOWN_DIRECTIVES.has(name)) return directives;
      this.#next += 1;
      const position = { line: this.#next, column: before.indexOf("#") + 1 };
      directives.push({ name, value: line.slice(before.length).trim(), position });
    }
  }

  /** The next instruction: its lines joined, without comments and empty lines. Undefined at the end of the recipe. */
  readInstruction(): JoinedText | undefined {
    let line = this.readRaw();
    while (line !== undefined && isBlankOrComment(line)) line = this.readRaw();
    if (line === undefined) return undefined;
    const pieces: string[] = [];
    const marks: { at: number; position: RecipePosition }[] = [];
    let length = 0;
    let indent = line.length - line.trimStart().length;
    while (line !== undefined) {
      const end = this.#continuedAt(line);
      const piece = line.slice(indent, end);
      if (piece !== "") {
        marks.push({ at: length, position: { line: this.#next, column: indent + 1 } });
        pieces.push(piece);
        length += piece.length;
      }
      indent = 0;
      if (end === undefined) break;
      line = this.readRaw();
      while (line !== undefined && isBlankOrComment(line)) line = this.readRaw();
    }
    if (marks.length === 0) marks.push({ at: 0, position: { line: this.#next, column: 1 } });
    return new JoinedText(pieces.join(""), marks);
  }

  /** The lines from one to another, as written. */
  written(first: number, last: number): string {
    return this.#lines.slice(first - 1, last).join("\n");
  }

  /** Where a line ends when the next one continues it. An escaped escape character at its end is one of its characters. */
  #continuedAt(line: string): number | undefined {
    let end = line.length;
    while (end > 0 && (line[end - 1] === " " || line[end - 1] === "\t")) end -= 1;
    if (line[end - 1] !== this.escape || line[end - 2] === this.escape) return undefined;
    return end - 1;
  }
}

function isBlankOrComment(line: string): boolean {
  const text = line.trimStart();
  return text === "" || text.startsWith("#");
}
