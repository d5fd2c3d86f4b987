/** A pattern of an ignore file that cannot be understood. */
export class IgnorePatternError extends Error {
  override readonly name = "IgnorePatternError";
  /** Line of the pattern, from 1. */
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

interface CharacterRange {
  readonly from: number;
  readonly to: number;
}

type PatternPart =
  | { readonly type: "character"; readonly code: number }
  /** `?`: one character of a name. */
  | { readonly type: "any" }
  /** `*`: any characters of a name. */
  | { readonly type: "star" }
  /** `**` with what follows it: the next part, which takes whole directories, may be left out. */
  | { readonly type: "optional" }
  /** Whole directories: any characters, the last of them a slash. */
  | { readonly type: "directories" }
  /** `**` at the end: all characters. */
  | { readonly type: "rest" }
  | { readonly type: "class"; readonly negated: boolean; readonly ranges: readonly CharacterRange[] };

const SLASH = 0x2f;

/**
 * A pattern of names as in Go's `filepath.Match`, with `**` for any number of directories. Matching takes time in proportion to pattern
 * and path, whatever they are.
 */
export class PathPattern {
  /** Whether the pattern is a path as it is, without wildcards and escapes. */
  readonly isLiteral: boolean;
  readonly #parts: readonly PatternPart[];

  /** @throws SyntaxError when brackets or an escape have no end. */
  constructor(pattern: string) {
    this.#parts = partsOf(pattern);
    this.isLiteral = !/[*?[\\]/.test(pattern);
  }

  matches(path: string): boolean {
    const parts = this.#parts;
    // The places of the pattern that the characters read so far may lead to.
    let places = new Uint8Array(parts.length + 1);
    places[0] = 1;
    passEmpty(parts, places);
    for (const char of path) {
      const code = char.codePointAt(0) ?? 0;
      const next = new Uint8Array(parts.length + 1);
      let alive = false;
      for (const [at, part] of parts.entries()) {
        if (places[at] !== 1) continue;
        const { stays, goes } = step(part, code);
        if (stays) next[at] = 1;
        if (goes) next[at + 1] = 1;
        alive ||= stays || goes;
      }
      if (!alive) return false;
      passEmpty(parts, next);
      places = next;
    }
    return places[parts.length] === 1;
  }
}

/** Adds the places that are reached without a character. */
function passEmpty(parts: readonly PatternPart[], places: Uint8Array): void {
  for (const [at, { type }] of parts.entries()) {
    if (places[at] !== 1) continue;
    if (type === "star" || type === "rest" || type === "optional") places[at + 1] = 1;
    if (type === "optional") places[at + 2] = 1;
  }
}

/** Whether a part takes a character, and is then still to be matched or is behind. */
function step(part: PatternPart, code: number): { readonly stays: boolean; readonly goes: boolean } {
  switch (part.type) {
    case "character":
      return { stays: false, goes: part.code === code };
    case "any":
      return { stays: false, goes: code !== SLASH };
    case "class":
      return {
        stays: false,
        goes: part.ranges.some(({ from, to }) => from <= code && code <= to) !== part.negated,
      };
    case "star":
      return { stays: code !== SLASH, goes: false };
    case "rest":
      return { stays: true, goes: false };
    case "directories":
      return { stays: true, goes: code === SLASH };
    case "optional":
      return { stays: false, goes: false };
  }
}

function partsOf(pattern: string): readonly PatternPart[] {
  const chars = Array.from(pattern);
  const parts: PatternPart[] = [];
  let at = 0;
  const character = (char: string): PatternPart => ({ type: "character", code: char.codePointAt(0) ?? 0 });
  while (at < chars.length) {
    const char = chars[at] ?? "";
    if (char === "*" && chars[at + 1] === "*") {
      const begin = at;
      at += 2;
      const slash = chars[at] === "/";
      if (slash) at += 1;
      if (at === chars.length) parts.push({ type: "rest" });
      // Docker compares the end of the path where a pattern begins with `**` and has no other wildcard.
      else if (begin === 0 && !slash && chars.slice(at).every((one) => !"*?[]\\".includes(one)))
        parts.push({ type: "rest" });
      else parts.push({ type: "optional" }, { type: "directories" });
    } else if (char === "*") {
      parts.push({ type: "star" });
      at += 1;
    } else if (char === "?") {
      parts.push({ type: "any" });
      at += 1;
    } else if (char === "[") {
      const { part, end } = classOf(chars, at);
      parts.push(part);
      at = end;
    } else if (char === "\\") {
      const escaped = chars[at + 1];
      if (escaped === undefined) throw new SyntaxError("a backslash at the end of a pattern escapes nothing");
      parts.push(character(escaped));
      at += 2;
    } else {
      parts.push(character(char));
      at += 1;
    }
  }
  return parts;
}

/** Reads `[a-z]` or `[^a-z]`. */
function classOf(
  chars: readonly string[],
  begin: number,
): { readonly part: PatternPart; readonly end: number } {
  let at = begin + 1;
  const negated = chars[at] === "^";
  if (negated) at += 1;
  const take = (): number => {
    if (chars[at] === "-" || chars[at] === "]")
      throw new SyntaxError("a range in brackets has no begin or no end: escape - and ] in brackets");
    if (chars[at] === "\\") at += 1;
    const code = chars[at]?.codePointAt(0);
    if (code === undefined) throw new SyntaxError("unterminated bracket");
    at += 1;
    return code;
  };
  const ranges: CharacterRange[] = [];
  while (chars[at] !== "]" || ranges.length === 0) {
    const from = take();
    let to = from;
    if (chars[at] === "-") {
      at += 1;
      to = take();
    }
    ranges.push({ from, to });
  }
  return { part: { type: "class", negated, ranges }, end: at + 1 };
}
