import assert from "node:assert/strict";
import { mkdir, rename, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { OpenDirectory } from "../src/context/open-directory.ts";
import { ContextLab } from "./support/context-lab.ts";

const namesOf = async (directory: OpenDirectory): Promise<readonly string[]> =>
  (await directory.list()).map((name) => name.toString());

test("neither a directory nor a file is opened through a link", async () => {
  await using lab = await ContextLab.open({ "dir/file": "", "to-dir": "-> dir", "to-file": "-> dir/file" });
  await using directory = await OpenDirectory.open(lab.root);
  await using inside = await directory.openDirectory("dir");
  assert.deepEqual(await namesOf(inside), ["file"]);
  await assert.rejects(directory.openDirectory("to-dir"), { code: "ENOTDIR" });
  await assert.rejects(directory.openFile("to-file"), { code: "ELOOP" });
  assert.equal(await directory.canRead("to-file"), false);
});

test("an open directory stays the same when its path leads elsewhere", async () => {
  await using lab = await ContextLab.open({ "dir/inside": "x" });
  await mkdir(join(lab.directory, "outside"));
  await writeFile(join(lab.directory, "outside/secret"), "secret");
  await using root = await OpenDirectory.open(lab.root);
  await using directory = await root.openDirectory("dir");
  await rename(join(lab.root, "dir"), join(lab.root, "moved"));
  await symlink("../outside", join(lab.root, "dir"));
  assert.deepEqual(await namesOf(directory), ["inside"]);
  await using file = await directory.openFile("inside");
  assert.equal(await file.readFile("utf8"), "x");
  await assert.rejects(directory.stat("secret"), { code: "ENOENT" });
});
