import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { runCommand } from "@wrenn/system";
import { commitOf } from "../src/commit.ts";

test("a run is stored with its commit, and with a plus where files differ from it", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "wrenn-commit-"));
  t.after(() => rm(directory, { recursive: true }));
  assert.equal(await commitOf(directory), undefined, "there is no checkout");
  const author = ["-c", "user.name=a", "-c", "user.email=a@example.org"];
  const git = async (...args: readonly string[]): Promise<string> =>
    (await runCommand(["git", "-C", directory, ...author, ...args])).stdout.trim();
  await git("init", "--quiet");
  await writeFile(join(directory, "file"), "one");
  await git("add", "file");
  await git("commit", "--quiet", "-m", "one");
  const commit = (await git("rev-parse", "HEAD")).slice(0, 9);
  assert.equal(await commitOf(directory), commit);
  await writeFile(join(directory, "file"), "two");
  assert.equal(await commitOf(directory), `${commit}+`);
});
