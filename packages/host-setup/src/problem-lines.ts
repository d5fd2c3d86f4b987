import { stripVTControlCharacters } from "node:util";

/** Lines of a failed tool that are shown. */
const PROBLEM_LINES = 3;

/** What a build tool says is wrong: at the beginning of its output, before a stack. */
export function problemLines(output: string): string {
  const lines = stripVTControlCharacters(output)
    .split("\n")
    .map((line) => line.trim());
  const first = lines.findIndex((line) => /error/i.test(line));
  return lines
    .slice(Math.max(0, first))
    .filter((line) => line !== "")
    .slice(0, PROBLEM_LINES)
    .join(" ");
}
