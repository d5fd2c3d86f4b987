import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { exists, hasCode, readFileIfPresent } from "@wrenn/system";

const directory = await mkdtemp(join(tmpdir(), "wrenn-files-"));
after(() => rm(directory, { recursive: true, force: true }));

test("exists and readFileIfPresent tell a file from a missing one", async () => {
  const path = join(directory, "state.json");
  assert.equal(await exists(path), false);
  assert.equal(await readFileIfPresent(path), undefined);
  await writeFile(path, "content");
  assert.equal(await exists(path), true);
  assert.equal(await readFileIfPresent(path), "content");
});

test("readFileIfPresent throws what is not a missing file", async () => {
  await assert.rejects(readFileIfPresent(directory), { code: "EISDIR" });
});

test("hasCode recognises system errors by their code only", async () => {
  const missing: unknown = await readFileIfPresent(directory).catch((error: unknown) => error);
  assert.equal(hasCode(missing, "ENOENT", "EISDIR"), true);
  assert.equal(hasCode(missing, "ENOENT"), false);
  assert.equal(hasCode(new Error("EISDIR"), "EISDIR"), false);
  assert.equal(hasCode({ code: "EISDIR" }, "EISDIR"), false);
  assert.equal(hasCode(undefined, "EISDIR"), false);
});
