import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { silentLogger } from "@wrenn/core";
import { exists } from "@wrenn/system";
import { FirstAdminToken } from "../src/config/first-admin-token.ts";

test("the token is in a file that only its owner reads, until it is of no use; the log names the file only", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "wrenn-admin-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const logged: unknown[] = [];
  const logger = { ...silentLogger, info: (...line: unknown[]) => void logged.push(line) };
  const path = join(directory, "token");
  const file = new FirstAdminToken(path, logger);
  const umask = process.umask(0);
  t.after(() => process.umask(umask));
  for (const token of ["first-token", "second-token"]) {
    await file.keep(token);
    assert.equal(await readFile(path, "utf8"), `${token}\n`);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.equal(file.current, token);
  }
  assert.match(JSON.stringify(logged), new RegExp(path));
  assert.doesNotMatch(JSON.stringify(logged), /first-token|second-token/);
  await file.keep(undefined);
  assert.equal(await exists(path), false);
  await file.keep(undefined);
});
