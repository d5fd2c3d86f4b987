import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { untilEnd, untilOutput } from "../src/peers/first-output.ts";
import { memoryOfTree } from "../src/peers/processes.ts";

const never = new AbortController().signal;

test("the first output is waited for, and the program runs on until its input ends", async () => {
  const { ms, child, exit } = await untilOutput(["sh", "-c", "sleep 0.1; echo ready; exec cat"], never);
  assert.ok(ms >= 90, String(ms));
  assert.equal(child.exitCode, null);
  child.stdin.end();
  assert.equal(await exit, 0);
});

test("a program that prints nothing is reported with the last line of its standard error", async () => {
  await assert.rejects(
    untilOutput(["sh", "-c", "echo first >&2; echo the reason >&2; exit 3"], never),
    /^Error: sh .* printed nothing: the reason$/,
  );
  await assert.rejects(untilOutput(["no-such-program-here"], never), /no-such-program-here is not installed/);
});

test("a program reads a file to its end, its output is counted, and its failure is an error", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "wrenn-first-output-"));
  t.after(() => rm(directory, { recursive: true }));
  const file = join(directory, "file");
  await writeFile(file, Buffer.alloc(300_000));
  assert.equal((await untilEnd(["cat"], never, file)).bytes, 300_000);
  assert.equal((await untilEnd(["true"], never, file)).bytes, 0);
  await assert.rejects(untilEnd(["sh", "-c", "echo no room >&2; exit 1"], never, file), /: no room$/);
  await assert.rejects(untilEnd(["false"], never), /: exit code 1$/);
});

test("an abort kills the program and is the error", async () => {
  const stop = new AbortController();
  const waiting = untilOutput(["sleep", "60"], stop.signal);
  stop.abort(new Error("interrupted"));
  await assert.rejects(waiting, /^Error: interrupted$/);
});

test("the memory of a process tree counts its children", async () => {
  const script = "(sleep 60 & sleep 60) & echo ready; exec cat";
  const { child, exit } = await untilOutput(["setsid", "-w", "sh", "-c", script], never);
  const own = await memoryOfTree(child.pid ?? 0);
  const { child: alone, exit: aloneExit } = await untilOutput(["sh", "-c", "echo ready; exec cat"], never);
  const single = await memoryOfTree(alone.pid ?? 0);
  assert.ok(own > single && single > 0, `${own} ${single}`);
  await assert.rejects(memoryOfTree(2 ** 22 + 1), { code: "ENOENT" });
  process.kill(-(child.pid ?? 0), "SIGTERM");
  child.kill();
  alone.stdin.end();
  await Promise.all([exit, aloneExit]);
});
