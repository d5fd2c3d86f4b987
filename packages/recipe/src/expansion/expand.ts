import { MAX_NESTING, MAX_VALUE_LENGTH } from "../syntax/limits.ts";
import { quote, refuse } from "../syntax/refusal.ts";
import type { Written } from "../syntax/written.ts";

/** The variables at a place of the recipe. */
export type VariableLookup = (name: string) => string | undefined;

export interface ExpansionOptions {
  readonly escape: string;
  /**
   * `words`: quotes are taken away, as in arguments of instructions.
   * `text`: quotes are characters, as in heredocs.
   * `plain`: quotes and the escape character are characters, as in the API's recipes of lines.
   */
  readonly quotes: "words" | "text" | "plain";
}

const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const POSITIONAL = /\d+/y;
/** Shell's own parameters. They have no value here. */
const SPECIAL = /[@*#?!-]/;
const TOO_LONG = `the value exceeds ${MAX_VALUE_LENGTH} characters`;

/**
 * Replaces `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME:+alternative}` and their forms without a colon as a shell does; `$$` is a
 * dollar sign, and what is not set is empty.
 */
export function expand(value: Written, lookup: VariableLookup, options: ExpansionOptions): string {
  return new Expansion(value, lookup, options).run();
}

/** One reading of one value, from its first character to its last. */
class Expansion {
  readonly #value: Written;
  readonly #text: string;
  readonly #lookup: VariableLookup;
  readonly #options: ExpansionOptions;
  #at = 0;
  #length = 0;

  constructor(value: Written, lookup: VariableLookup, options: ExpansionOptions) {
    this.#value = value;
    this.#text = value.text;
    this.#lookup = lookup;
    this.#options = options;
  }

  run(): string {
    return this.#read(undefined, 0);
  }

  /** Reads up to the end, or to the brace that ends a default. */
  #read(stop: "}" | undefined, depth: number): string {
    const { escape, quotes } = this.#options;
    const pieces: string[] = [];
    const add = (piece: string): void => {
      this.#length += piece.length;
      if (this.#length > MAX_VALUE_LENGTH)
        refuse(this.#value, TOO_LONG, "Put it into a file of the context, and COPY it.", this.#at);
      pieces.push(piece);
    };
    for (;;) {
      const char = this.#text[this.#at];
      if (char === undefined) return pieces.join("");
      if (char === stop) return pieces.join("");
      if (char === "$") add(this.#variable(depth));
      else if (char === escape && quotes !== "plain") add(this.#escaped());
      else if (char === "'" && quotes === "words") add(this.#single());
      else if (char === '"' && quotes === "words") this.#double(depth, add);
      else {
        this.#at += 1;
        add(char);
      }
    }
  }

  /** Behind the escape character each character is itself. One that ends the value is left out. */
  #escaped(): string {
    const next = this.#text.codePointAt(this.#at + 1);
    if (next === undefined) {
      this.#at += 1;
      return this.#options.quotes === "text" ? this.#options.escape : "";
    }
    const char = String.fromCodePoint(next);
    this.#at += 1 + char.length;
    // In a heredoc only what would mean something else is escaped.
    if (this.#options.quotes === "text" && char !== "$" && char !== this.#options.escape)
      return this.#options.escape + char;
    return char;
  }

  #single(): string {
    const end = this.#text.indexOf("'", this.#at + 1);
    if (end === -1)
      refuse(this.#value, "unterminated single quote", "Close it, or escape it with a backslash.", this.#at);
    const inside = this.#text.slice(this.#at + 1, end);
    this.#at = end + 1;
    return inside;
  }

  #double(depth: number, add: (piece: string) => void): void {
    const { escape } = this.#options;
    const begin = this.#at;
    this.#at += 1;
    for (;;) {
      const char = this.#text[this.#at];
      if (char === undefined)
        refuse(this.#value, "unterminated double quote", "Close it, or escape it with a backslash.", begin);
      if (char === "$") {
        add(this.#variable(depth));
        continue;
      }
      this.#at += 1;
      if (char === '"') return;
      const next = this.#text[this.#at];
      if (char === escape && (next === '"' || next === "$" || next === escape)) {
        this.#at += 1;
        add(next);
      } else add(char);
    }
  }

  #variable(depth: number): string {
    const begin = this.#at;
    this.#at += 1;
    const next = this.#text[this.#at] ?? "";
    if (next === "$") {
      this.#at += 1;
      return "$";
    }
    if (next === "{") return this.#braced(begin, depth);
    const name = this.#take(NAME);
    if (name !== undefined) return this.#lookup(name) ?? "";
    if (this.#options.quotes === "plain") return "$";
    if (this.#take(POSITIONAL) !== undefined) return "";
    if (!SPECIAL.test(next)) return "$";
    this.#at += 1;
    return "";
  }

  #braced(begin: number, depth: number): string {
    this.#at += 1;
    const name = this.#take(NAME);
    if (name === undefined)
      refuse(
        this.#value,
        "${ without the name of a variable",
        "Write ${NAME}, or $$ for a dollar sign.",
        begin,
      );
    let operator = this.#text[this.#at] ?? "";
    this.#at += 1;
    const value = this.#lookup(name);
    if (operator === "}") return value ?? "";
    if (operator === "") refuse(this.#value, `unterminated \${${name}`, "Close it with a brace.", begin);
    const emptyIsUnset = operator === ":";
    if (emptyIsUnset) {
      operator = this.#text[this.#at] ?? "";
      this.#at += 1;
    }
    if (this.#options.quotes === "plain" || !["-", "+", "?"].includes(operator))
      refuse(
        this.#value,
        `${quote(`\${${name}${emptyIsUnset ? ":" : ""}${operator}`)} is not a substitution of recipes`,
        this.#options.quotes === "plain"
          ? "Write $NAME or ${NAME}."
          : "Available: ${NAME}, ${NAME:-default}, ${NAME:+alternative}, ${NAME:?message}.",
        begin,
      );
    return this.#substituted(name, value, { begin, depth, operator, emptyIsUnset });
  }

  #substituted(
    name: string,
    value: string | undefined,
    at: { begin: number; depth: number; operator: string; emptyIsUnset: boolean },
  ): string {
    if (at.depth >= MAX_NESTING)
      refuse(
        this.#value,
        `substitutions are nested deeper than ${MAX_NESTING}`,
        "Set a variable for a part of it.",
        at.begin,
      );
    const before = this.#length;
    const word = this.#read("}", at.depth + 1);
    // It counts when it is part of the value.
    this.#length = before;
    if (this.#text[this.#at] !== "}")
      refuse(this.#value, `unterminated \${${name}`, "Close it with a brace.", at.begin);
    this.#at += 1;
    const isSet = value !== undefined && !(at.emptyIsUnset && value === "");
    if (at.operator === "+") return isSet ? word : "";
    if (isSet) return value;
    if (at.operator === "-") return word;
    return refuse(
      this.#value,
      `${name} is not set${word === "" ? "" : `: ${word.slice(0, 200)}`}`,
      `Set it with ARG or ENV, or give it with the build.`,
      at.begin,
    );
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const [found] = pattern.exec(this.#text) ?? [];
    if (found !== undefined) this.#at += found.length;
    return found;
  }
}
