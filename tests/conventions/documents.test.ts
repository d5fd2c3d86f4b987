import assert from "node:assert/strict";
import { access, readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { listDocuments, projectRoot } from "../support/sources.ts";

const documents = await listDocuments();

test("every relative link in a document leads to a file", async () => {
  const broken: string[] = [];
  for (const document of documents) {
    const text = await readFile(join(projectRoot, document), "utf8");
    for (const match of text.matchAll(/\]\(([^)#:\s]+)(?:#[^)]*)?\)/g)) {
      const target = join(projectRoot, dirname(document), match[1] ?? "");
      await access(target).catch(() => broken.push(`${document}: ${match[1]}`));
    }
  }
  assert.deepEqual(broken, []);
});

test("every threat in SECURITY.md has an attacker, a promise, a mechanism and something that exists to show it", async () => {
  const text = await readFile(join(projectRoot, "SECURITY.md"), "utf8");
  const rows = text
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .map((line) => line.split("|").map((cell) => cell.trim()))
    .filter(([, boundary = ""]) => boundary !== "boundary" && !/^-+$/.test(boundary));
  assert.ok(rows.length > 0, "there are threats");
  const problems: string[] = [];
  for (const [, boundary = "", attacker, promise, mechanism, shown = ""] of rows) {
    const paths = [...shown.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? "");
    if ([attacker, promise, mechanism].includes("") || paths.length === 0)
      problems.push(`${boundary} is incomplete`);
    for (const path of paths)
      await access(join(projectRoot, path)).catch(() => problems.push(`${boundary}: no such test ${path}`));
  }
  assert.deepEqual(problems, []);
});

test("every promise of the specification names a test that exists", async () => {
  const text = await readFile(join(projectRoot, "SPECIFICATION.md"), "utf8");
  const promises = text.split("\n").filter((line) => /^\| [A-Z]+-\d+ \|/.test(line));
  assert.ok(promises.length > 0, "the specification has promises");
  const problems: string[] = [];
  const numbers = new Set<string>();
  for (const promise of promises) {
    const [, number = "", , tests = ""] = promise.split("|").map((cell) => cell.trim());
    if (numbers.has(number)) problems.push(`${number} stands twice`);
    numbers.add(number);
    const paths = [...tests.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? "");
    if (paths.length === 0) problems.push(`${number} names no test`);
    for (const path of paths)
      await access(join(projectRoot, path)).catch(() => problems.push(`${number}: no such test ${path}`));
  }
  assert.deepEqual(problems, []);
});

test("decisions are numbered without gaps or doubles", async () => {
  const numbers = (await readdir(join(projectRoot, "docs/decisions")))
    .map((name) => Number(name.slice(0, 4)))
    .sort((a, b) => a - b);
  assert.deepEqual(
    numbers,
    numbers.map((_, index) => index + 1),
  );
});

/** How the walks of ARCHITECTURE.md shorten folders. */
const SHORT_FORMS = new Map([
  ["cp", "packages/control-plane/src"],
  ["ha", "packages/host-agent/src"],
  ["gl", "packages/guest/src"],
]);

test("every file on the walks of the architecture exists", async () => {
  const text = await readFile(join(projectRoot, "ARCHITECTURE.md"), "utf8");
  const steps = [...text.matchAll(/`((?:cp|ha|gl|native|packages)\/[\w/.-]+\.\w+)`/g)].map(
    ([, path = ""]) => {
      const [first = "", ...rest] = path.split("/");
      return [SHORT_FORMS.get(first) ?? first, ...rest].join("/");
    },
  );
  assert.ok(steps.length > 30, "the walks name their files");
  const missing: string[] = [];
  for (const step of steps) await access(join(projectRoot, step)).catch(() => missing.push(step));
  assert.deepEqual(missing, []);
});
