import { cleanPath } from "./clean-path.ts";
import { IgnorePatternError, PathPattern } from "./ignore-pattern.ts";

interface IgnoreRule {
  /** Line in its file, from 1. */
  readonly line: number;
  readonly pattern: PathPattern;
  /** Without `!`. */
  readonly text: string;
  /** `!`: what matches is not ignored after all. */
  readonly isException: boolean;
}

/** The characters that Go takes for blanks. */
const BLANKS =
  /^[\t\n\v\f\r \u0085\u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000]+|[\t\n\v\f\r \u0085\u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000]+$/g;

/** The rules of a `.dockerignore`, which match as Docker's do: the last one that matches a path or a directory above it counts. */
export class IgnoreRules {
  readonly #rules: readonly IgnoreRule[];
  readonly #exceptions: readonly IgnoreRule[];

  private constructor(rules: readonly IgnoreRule[]) {
    this.#rules = rules;
    this.#exceptions = rules.filter(({ isException }) => isException);
  }

  /** Rules that ignore nothing. */
  static readonly none = new IgnoreRules([]);

  /** @throws IgnorePatternError naming the line of a pattern that cannot be understood. */
  static parse(text: string): IgnoreRules {
    const rules: IgnoreRule[] = [];
    for (const [at, raw] of text
      .replace(/^\uFEFF/, "")
      .split("\n")
      .entries()) {
      const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
      if (line.startsWith("#")) continue;
      let pattern = trimBlanks(line);
      if (pattern === "") continue;
      const isException = pattern.startsWith("!");
      if (isException) pattern = trimBlanks(pattern.slice(1));
      if (pattern === "") throw new IgnorePatternError(at + 1, "an exclamation mark without a pattern");
      pattern = cleanPath(pattern);
      if (pattern.length > 1 && pattern.startsWith("/")) pattern = pattern.slice(1);
      rules.push({ line: at + 1, pattern: compile(pattern, at + 1), text: pattern, isException });
    }
    return new IgnoreRules(rules);
  }

  /** @param path - relative to the context, with slashes. */
  ignores(path: string): boolean {
    return this.ignoringLine(path) !== undefined;
  }

  /** The line of the rule that makes a path ignored; undefined when it is not. */
  ignoringLine(path: string): number | undefined {
    const parents = parentsOf(path);
    let by: number | undefined;
    for (const { pattern, isException, line } of this.#rules) {
      // A rule that says what is so already changes nothing.
      if (isException !== (by !== undefined)) continue;
      if (pattern.matches(path) || parents.some((parent) => pattern.matches(parent)))
        by = isException ? undefined : line;
    }
    return by;
  }

  /** Whether something below an ignored directory may be excepted. */
  mayExceptBelow(directory: string): boolean {
    return this.#exceptions.some(
      ({ pattern, text }) => !pattern.isLiteral || text.startsWith(`${directory}/`),
    );
  }
}

function compile(pattern: string, line: number): PathPattern {
  try {
    return new PathPattern(pattern);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new IgnorePatternError(line, error.message);
  }
}

function trimBlanks(text: string): string {
  return text.replace(BLANKS, "");
}

function parentsOf(path: string): readonly string[] {
  const parents: string[] = [];
  for (let at = path.indexOf("/"); at !== -1; at = path.indexOf("/", at + 1)) parents.push(path.slice(0, at));
  return parents;
}
