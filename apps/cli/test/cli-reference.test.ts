import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { Command } from "commander";
import { addClientCommands } from "@wrenn/client";
import { documentProblems, leavesOf, renderCliReference, verbReference } from "@wrenn/client/testing";
import { createProgram } from "../src/program.ts";

const path = join(import.meta.dirname, "../../../docs/reference/cli.md");
/** Set by `npm run reference`. */
const WRITE = process.env["WRENN_WRITE_REFERENCE"] === "1";

const client = new Command("wrenn").enablePositionalOptions();
addClientCommands(client, process, { findLocal: async () => undefined });
const leaves = leavesOf(client);

test("the reference of the command line is what the program says; npm run reference renews it", async () => {
  const text = renderCliReference(createProgram());
  if (WRITE) await writeFile(path, text);
  assert.ok((await readFile(path, "utf8")) === text, "docs/reference/cli.md is stale: npm run reference");
});

test("every client command has examples, and those that print JSON say what", () => {
  assert.deepEqual(
    leaves.map(({ words }) => words).sort(),
    Object.keys(verbReference).sort(),
    "apps/client/src/reference/verbs.ts lists every command",
  );
  for (const { words, command } of leaves) {
    const { examples = [], json } = verbReference[words] ?? {};
    assert.ok(examples.length > 0 && examples.every((line) => line.includes(`wrenn ${words}`)), words);
    const printsJson = command.options.some(({ long }) => long === "--json");
    assert.equal(json !== undefined, printsJson, words);
  }
});

test("documents of one name have one table", () => {
  const tables = new Map<string, string>();
  for (const [words, { json }] of Object.entries(verbReference)) {
    if (!json) continue;
    const text = JSON.stringify(json.fields);
    assert.equal(tables.get(json.name) ?? text, text, words);
    tables.set(json.name, text);
  }
});

test("what is missing, unknown or of another kind in a document is found", () => {
  const fields = {
    id: ["string", ""],
    at: ["time?", ""],
    profile: ["string or null", ""],
    tags: ["strings", ""],
    items: { items: { size: ["number", ""] }, text: "" },
  } as const;
  const good = { id: "a", profile: null, tags: ["b"], items: [{ size: 1 }] };
  assert.deepEqual(documentProblems(fields, good), []);
  for (const [change, problem] of [
    [{ id: undefined }, ".id: missing"],
    [{ id: 1 }, ".id: no string"],
    [{ at: "yesterday" }, ".at: no time"],
    [{ at: null }, ".at: null"],
    [{ tags: [1] }, ".tags: no strings"],
    [{ items: [{ size: "1" }] }, ".items[0].size: no number"],
    [{ more: 1 }, ".more: not in the table"],
  ] as const)
    assert.deepEqual(documentProblems(fields, { ...good, ...change }), [problem]);
});
