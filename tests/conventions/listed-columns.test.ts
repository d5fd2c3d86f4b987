import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { listSources, projectRoot } from "../support/sources.ts";

const WRITE = /\.(?:set|values|doUpdateSet)\(/g;

/** The text between the parenthesis that ends at `from` and its partner. */
function argumentAt(text: string, from: number): string {
  let depth = 1;
  for (let at = from; at < text.length; at++) {
    if (text[at] === "(") depth++;
    else if (text[at] === ")" && --depth === 0) return text.slice(from, at);
  }
  return "";
}

/** Whether a name stands for an object that the same file lists the columns of. */
function isListed(text: string, name: string): boolean {
  return new RegExp(`const ${name} = (\\{|\\w+\\.map\\(\\(\\w+\\) => \\(\\{)`).test(text);
}

/** Parts of a write whose columns are those of a value that was passed in. */
function unlisted(text: string): readonly string[] {
  const found: string[] = [];
  for (const match of text.matchAll(WRITE)) {
    const argument = argumentAt(text, match.index + match[0].length);
    const names = [
      /^\s*(\w+)\s*$/.exec(argument)?.[1],
      ...argument.matchAll(/\.\.\.(\w+)(?![\w(.])/g).map(([, name]) => name),
    ];
    for (const name of names)
      if (name !== undefined && !isListed(text, name)) found.push(`${match[0]}… ${name}`);
  }
  return found;
}

test("every write to the database lists its columns: none is taken from what a value happens to have", async () => {
  const problems: string[] = [];
  const files = await listSources(["packages/database/src"]);
  for (const file of files.filter((name) => name.endsWith(".ts"))) {
    const text = await readFile(join(projectRoot, file), "utf8");
    if (!text.includes("kysely") && !text.includes("Db")) continue;
    problems.push(...unlisted(text).map((part) => `${file}: ${part}`));
  }
  assert.deepEqual(problems, []);
});

test("the search for unlisted columns finds the ways to leave a list out", () => {
  for (const bad of [
    'db.updateTable("teams").set(limits).where()',
    'db.insertInto("teams").values({ ...team, deleted_at: null })',
    "conflict.doUpdateSet(\n  content,\n)".replace(",", ""),
    ".set({ ...change })",
  ])
    assert.equal(unlisted(bad).length, 1, bad);
  for (const good of [
    ".set({ name: change.name, ...defined({ events: change.events }) })",
    "const facts = { a: 1 };\n.values({ id, ...facts })",
    ".values(rows.map(columnsOf))",
    '.set((eb) => ({ ...(full ? {} : { a: 1 }), version: eb("version", "+", 1) }))',
  ])
    assert.deepEqual(unlisted(good), [], good);
});
