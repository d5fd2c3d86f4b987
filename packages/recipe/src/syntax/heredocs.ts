import type { RecipeLines } from "./recipe-lines.ts";
import { quote, refuse } from "./refusal.ts";
import { splitWords } from "./words.ts";
import type { RecipePosition } from "./problem.ts";
import { JoinedText } from "./written.ts";
import type { Written } from "./written.ts";

/** Lines that follow an instruction up to a line with their name. */
export interface Heredoc {
  /** Without quotes. */
  readonly name: string;
  /** The word that announced it, as in `<<-"EOF"`. */
  readonly word: string;
  /** False for a quoted name: variables stay as they are. */
  readonly expands: boolean;
  /** `<<-`: tabs at the begin of its lines are left out. */
  readonly chomp: boolean;
  /** Its lines, each with its line feed; without tabs where `chomp` is set. */
  readonly content: Written;
  /** Its lines as they are written. */
  readonly raw: string;
}

const HEREDOC = /^\d*<<(-?)([^<]+)$/;

/**
 * Reads the heredocs that an instruction announces from the lines after it.
 *
 * @param args - what follows the keyword.
 */
export function readHeredocs(args: Written, lines: RecipeLines): readonly Heredoc[] {
  if (!args.text.includes("<<")) return [];
  const found: Heredoc[] = [];
  for (const word of splitWords(args, lines.escape)) {
    const announced = announcedBy(word.text);
    if (announced === undefined) continue;
    found.push({ ...announced, word: word.text, ...readContent(word, announced, lines) });
  }
  return found;
}

function readContent(
  word: Written,
  { name, chomp }: Pick<Heredoc, "name" | "chomp">,
  lines: RecipeLines,
): Pick<Heredoc, "content" | "raw"> {
  const raw: string[] = [];
  const kept: string[] = [];
  const marks: { at: number; position: RecipePosition }[] = [
    { at: 0, position: { line: lines.line + 1, column: 1 } },
  ];
  let length = 0;
  for (;;) {
    const line = lines.readRaw();
    if (line === undefined)
      refuse(
        word,
        `unterminated heredoc ${quote(name)}`,
        `End it with a line that has ${quote(name)} and nothing else.`,
      );
    const text = chomp ? line.replace(/^\t+/, "") : line;
    if (text === name) break;
    marks.push({ at: length, position: { line: lines.line, column: line.length - text.length + 1 } });
    raw.push(`${line}\n`);
    kept.push(`${text}\n`);
    length += text.length + 1;
  }
  return { raw: raw.join(""), content: new JoinedText(kept.join(""), marks).whole() };
}

/** Whether a word is a heredoc's announcement and nothing else. */
export function isHeredocWord(word: string): boolean {
  return announcedBy(word) !== undefined;
}

function announcedBy(word: string): Pick<Heredoc, "name" | "expands" | "chomp"> | undefined {
  const [, dash = "", rest = ""] = HEREDOC.exec(word) ?? [];
  const name = rest.replaceAll(/["'\\]/g, "");
  if (name === "") return undefined;
  return { name, expands: name === rest, chomp: dash === "-" };
}
