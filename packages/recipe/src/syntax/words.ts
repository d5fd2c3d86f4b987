import { MAX_WORDS } from "./limits.ts";
import { refuse } from "./refusal.ts";
import type { Written } from "./written.ts";

const BLANK = /\s/;

/**
 * Words between blanks. Blanks in quotes and after the escape character do not separate; quotes and escapes stay in the words.
 */
export function* splitWords(piece: Written, escape: string): Generator<Written, void, undefined> {
  const { text } = piece;
  let start: number | undefined;
  let quoted: string | undefined;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at] ?? "";
    if (quoted === undefined && BLANK.test(char)) {
      if (start !== undefined) yield piece.slice(start, at);
      start = undefined;
      continue;
    }
    start ??= at;
    if (char === escape && quoted !== "'") at += 1;
    else if (char === quoted) quoted = undefined;
    else if (quoted === undefined && (char === '"' || char === "'")) quoted = char;
  }
  if (start !== undefined) yield piece.slice(start);
}

/** Words between blanks, whatever is in them. */
export function* splitBlanks(piece: Written): Generator<Written, void, undefined> {
  for (const match of piece.text.matchAll(/\S+/g))
    yield piece.slice(match.index, match.index + match[0].length);
}

/** All words of an instruction. Refuses more than anyone writes. */
export function allWords(words: Iterable<Written>): readonly Written[] {
  const all: Written[] = [];
  for (const word of words) {
    if (all.length === MAX_WORDS)
      refuse(word, `more than ${MAX_WORDS} words`, "Write an instruction for a part of them.");
    all.push(word);
  }
  return all;
}
