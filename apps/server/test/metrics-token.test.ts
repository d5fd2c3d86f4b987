import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemRandom } from "@wrenn/core";
import { metricsToken } from "../src/config/metrics-token.ts";

test("the token for metrics is made once, in a file that only its owner reads", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "wrenn-metrics-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const path = join(directory, "metrics-token");
  const token = await metricsToken(path, systemRandom);
  assert.match(token, /^[0-9a-f]{64}$/);
  assert.equal(await readFile(path, "utf8"), `${token}\n`);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.equal(await metricsToken(path, systemRandom), token);
});
