import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { projectRoot } from "../support/sources.ts";

const DOCUMENT = "docs/reference/coverage.md";
/** A file of tests, and words of the title of one of them. */
const SHOWN = /`((?:tests|packages|apps)\/[^`]+)`(?: “([^”]+)”)?/g;

test("every rule of the API names tests that exist, or is marked as open", async () => {
  const text = await readFile(join(projectRoot, DOCUMENT), "utf8");
  const rows = text.split("\n").filter((line) => line.startsWith("| ["));
  assert.ok(rows.length >= 60, `${rows.length} rows`);
  const problems: string[] = [];
  for (const row of rows) {
    const [, name = "", cell = ""] = row.split("|").map((one) => one.trim());
    if (/^open: \S/.test(cell)) continue;
    const tests = [...cell.matchAll(SHOWN)];
    if (tests.length === 0) problems.push(`${name} names no test`);
    for (const [, path = "", title = ""] of tests) {
      const source = await readFile(join(projectRoot, path), "utf8").catch(() => undefined);
      if (source === undefined) problems.push(`${name}: no such file ${path}`);
      else if (!source.includes(title)) problems.push(`${name}: no test “${title}” in ${path}`);
    }
  }
  assert.deepEqual(problems, []);
});
