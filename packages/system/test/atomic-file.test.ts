import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { writeFileAtomic } from "@wrenn/system";

test("a file is replaced whole, with its mode, and no temporary file stays", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "wrenn-atomic-"));
  t.after(() => rm(directory, { recursive: true }));
  const path = join(directory, "state.json");
  await writeFileAtomic(path, "one");
  await writeFileAtomic(path, "two", { mode: 0o644, durable: false });
  assert.equal(await readFile(path, "utf8"), "two");
  assert.equal((await stat(path)).mode & 0o777, 0o644);
  assert.deepEqual(await readdir(directory), ["state.json"]);
});

test("of writes of one file at once each is whole, and none fails or leaves a temporary file", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "wrenn-atomic-"));
  t.after(() => rm(directory, { recursive: true }));
  const path = join(directory, "state.json");
  const texts = Array.from({ length: 40 }, (_, at) => String(at).repeat(10_000 - at * 100));
  await Promise.all(texts.map((text) => writeFileAtomic(path, text, { durable: false })));
  assert.ok(texts.includes(await readFile(path, "utf8")));
  assert.deepEqual(await readdir(directory), ["state.json"]);
});

test("a write that cannot happen leaves the old file", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "wrenn-atomic-"));
  t.after(() => rm(directory, { recursive: true }));
  await assert.rejects(writeFileAtomic(join(directory, "missing", "state.json"), "x"), { code: "ENOENT" });
  assert.deepEqual(await readdir(directory), []);
});
