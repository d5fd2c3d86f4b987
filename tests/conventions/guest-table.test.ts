import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { projectRoot } from "../support/sources.ts";

const DOCUMENT = "docs/reference/guest.md";
/** A file of tests, and words of the title of one of them. */
const SHOWN = /`((?:tests|packages|apps|native)\/[^`]+)`(?: “([^”]+)”)?/g;
/** Why something cannot be had: a sentence, not a word. */
const REASON = /\bReason: (?:\S+ ){3,}\S+/;

test("every row about a guest names a test that exists, or has a reason", async () => {
  const rows = rowsOf(await readFile(join(projectRoot, DOCUMENT), "utf8"));
  assert.ok(rows.length >= 20, `${rows.length} rows`);
  const problems: string[] = [];
  for (const [name = "", ...rest] of rows) {
    const tests = [...(rest.at(-1) ?? "").matchAll(SHOWN)];
    if (tests.length === 0 && !rest.some((cell) => REASON.test(cell)))
      problems.push(`${name}: neither a test nor “Reason: …”`);
    for (const [, path = "", title] of tests) {
      const source = await readFile(join(projectRoot, path), "utf8").catch(() => undefined);
      if (source === undefined) problems.push(`${name}: no such file ${path}`);
      else if (title === undefined) problems.push(`${name}: no title of a test of ${path}`);
      else if (!titled(source, title)) problems.push(`${name}: no test “${title}” in ${path}`);
    }
  }
  assert.deepEqual(problems, []);
});

test("no row about a guest is there twice", async () => {
  const names = rowsOf(await readFile(join(projectRoot, DOCUMENT), "utf8")).map(([name = ""]) => name);
  assert.deepEqual(
    names.filter((name, at) => names.indexOf(name) !== at),
    [],
  );
});

/** Cells of the rows of every table, without the heads. */
function rowsOf(text: string): readonly (readonly string[])[] {
  const lines = text.split("\n");
  return lines
    .filter((line, at) => line.startsWith("|") && !isRule(line) && !isRule(lines[at + 1] ?? ""))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

function isRule(line: string): boolean {
  return /^\|[\s:|-]+\|$/.test(line);
}

/** The title of a test, or the beginning of one, as its file has it. */
function titled(source: string, title: string): boolean {
  return ['"', "'", "`"].some((quote) => source.includes(`${quote}${title}`));
}
