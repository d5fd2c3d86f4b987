import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { prepareCell } from "../src/javascript-kernel/prepare-cell.ts";

const project = join(import.meta.dirname, "../../..");

const CASES: readonly (readonly [string, string, string])[] = [
  ["javascript", "with (a) b;", "with (a) b;"],
  ["javascript", "import 'm';", 'await __wrennImport("m");'],
  [
    "javascript",
    "import d, { a, b as c } from 'm'",
    'const { default: d, a: a, b: c } = await __wrennImport("m");',
  ],
  ["javascript", "import * as n from 'm'", 'const n = await __wrennImport("m");'],
  [
    "javascript",
    "import d, * as n from 'm'",
    'const n = await __wrennImport("m"); const { default: d } = n;',
  ],
  [
    "javascript",
    "import j from './a.json' with { type: 'json' }",
    'const { default: j } = await __wrennImport("./a.json", { with: { "type": "json" } });',
  ],
  ["javascript", "const f = () => import('m');", "const f = () => __wrennImport('m');"],
  ["javascript", "'import'; \"import('m')\"", "'import'; \"import('m')\""],
  ["javascript", "export const a = 1; export default function f() {}", "const a = 1;  function f() {}"],
  ["javascript", "import {", "import {"],
  ["typescript", "const a: number = 1;", "const a = 1;"],
  ["typescript", "import type { T } from 'm';", ""],
];

test("imports of cells become calls, and everything else stays as it is", () => {
  for (const [language, code, expected] of CASES)
    assert.equal(prepareCell(code, language).trim(), expected, code);
});

test("TypeScript that cannot be parsed is a SyntaxError that shows the place", () => {
  assert.throws(() => prepareCell("const a: = 1", "typescript"), {
    name: "SyntaxError",
    message: /Unexpected token[^]*const a: = 1/,
  });
});

test("the template has the versions of libraries that are tested here", async () => {
  interface LockedPackage {
    readonly version: string;
    readonly integrity: string;
  }
  const read = async (path: string): Promise<unknown> =>
    JSON.parse(await readFile(join(project, path), "utf8"));
  const { packages } = (await read("package-lock.json")) as {
    readonly packages: Readonly<Record<string, LockedPackage>>;
  };
  const { interpreter } = (await read("images/package-sets.json")) as {
    readonly interpreter: { readonly npm: readonly (LockedPackage & { readonly name: string })[] };
  };
  for (const { name, version, integrity } of interpreter.npm) {
    const locked = packages[`node_modules/${name}`];
    assert.deepEqual(
      { version, integrity },
      { version: locked?.version, integrity: locked?.integrity },
      name,
    );
  }
});
