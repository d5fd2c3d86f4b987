import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { tryCommand } from "@wrenn/system";

const SCRIPT = join(import.meta.dirname, "support/run-files-here.ts");

/** Runs files with these texts and returns what is printed. A test file may not run others itself: a process does. */
async function runTexts(
  texts: Readonly<Record<string, string>>,
): Promise<{ printed: string; counts: unknown }> {
  const directory = await mkdtemp("/tmp/wrenn-run-files-");
  const files: string[] = [];
  for (const [name, text] of Object.entries(texts)) {
    files.push(join(directory, `${name}.test.mjs`));
    await writeFile(
      files.at(-1) ?? "",
      `import { after, test } from "node:test";\nimport { existsSync, writeFileSync } from "node:fs";\n${text}`,
    );
  }
  const env = { PATH: process.env["PATH"] ?? "" };
  const { stdout } = await tryCommand([process.execPath, SCRIPT, ...files], { env });
  await rm(directory, { recursive: true });
  const counts: unknown = JSON.parse(/^\{.*\}$/m.exec(stdout)?.[0] ?? "null");
  return { printed: stdout, counts };
}

test(
  "a file whose process stays after its tests is killed and counts as failed",
  { timeout: 60_000 },
  async () => {
    const { printed, counts } = await runTexts({
      stays: `
      process.on("SIGTERM", () => {});
      after(() => { setInterval(() => {}, 1000); });
      test("is over", () => {});`,
      "waits-in-its-end": `
      after(async () => { setInterval(() => {}, 1000); await new Promise(() => {}); });
      test("is over as well", () => {});`,
      ends: `test("ends", () => {});`,
    });
    assert.deepEqual(counts, { passed: 3, failed: 2, skipped: 0, unsteady: 0 });
    assert.equal(
      printed.match(/did not end and was killed: \d+, \d+ open files, in /g)?.length,
      4,
      "in both runs",
    );
  },
);

test("a process that holds the output of a killed file is ended with it", { timeout: 60_000 }, async () => {
  const { printed, counts } = await runTexts({
    "leaves-a-process": `
      import { spawn } from "node:child_process";
      test("starts it", () => { spawn("sleep", ["600"], { stdio: "inherit", detached: true }).unref(); });`,
  });
  assert.deepEqual(counts, { passed: 1, failed: 0, skipped: 0, unsteady: 0 });
  assert.match(printed, /left by its test and ended: \d+ sleep 600/);
});

test(
  "a file that fails is run once more by itself: it counts as failed where that fails, too, and is named where it passes",
  { timeout: 60_000 },
  async () => {
    const first = `
      const mark = import.meta.filename + ".mark";
      const isFirst = !existsSync(mark);
      writeFileSync(mark, "");`;
    const throwing = `${first} test("throws at first", () => { if (isFirst) throw new Error("no"); });`;
    // Node.js deadlocks at its exit now and then: a main thread that waits for another one.
    const deadlock = `Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)`;
    const dead = `${first} process.on("exit", () => { if (isFirst) ${deadlock}; });\ntest("deadlocks at first", () => {});`;
    const failing = `test("fails", () => { throw new Error("no"); });`;
    const steady = `test("passes", () => {});`;
    const unsteady = await runTexts({ dead, steady, throwing });
    assert.deepEqual(unsteady.counts, { passed: 2, failed: 0, skipped: 0, unsteady: 2 });
    const again = [...unsteady.printed.matchAll(/(\w+)\.test\.mjs has failed: running/g)];
    assert.deepEqual(new Set(again.map(([, name]) => name)), new Set(["dead", "throwing"]));
    const failed = await runTexts({ failing, throwing });
    assert.deepEqual(failed.counts, { passed: 0, failed: 2, skipped: 0, unsteady: 0 });
    // At the end, where a shortened output still has it, and once.
    assert.match(failed.printed, /\nfailed: \S+failing\.test\.mjs: fails\n {4}Error: no\n {4} {4}at /);
    assert.equal(failed.printed.match(/\nfailed: /g)?.length, 1);
    const broken = await runTexts({ a: failing, b: failing, c: failing, d: failing });
    assert.deepEqual(broken.counts, { passed: 0, failed: 4, skipped: 0, unsteady: 0 });
    assert.doesNotMatch(broken.printed, /running it once more/);
    assert.equal(broken.printed.match(/\nfailed: /g)?.length, 4);
    assert.doesNotMatch(unsteady.printed, /\nfailed: /);
  },
);

test("the files that took longest are named with their times", { timeout: 60_000 }, async () => {
  const { printed } = await runTexts({
    quick: `test("ends", () => {});`,
    slow: `test("takes a second", async () => { await new Promise((done) => setTimeout(done, 1000)); });`,
  });
  assert.match(printed, /^slowest: \S*slow\.test\.mjs \d+\.\d s, \S*quick\.test\.mjs \d+\.\d s$/m);
});
