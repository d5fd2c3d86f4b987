import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { silentLogger } from "@wrenn/core";
import { Ballast } from "../src/ballast.ts";

test("a ballast that cannot be allocated is reported once, and not tried again at once", async (t) => {
  const directory = await mkdtemp("/tmp/wb-");
  t.after(() => rm(directory, { recursive: true, force: true }));
  const path = join(directory, "ballast");
  // Nothing can be allocated where a directory lies.
  await mkdir(path);
  await writeFile(join(path, "file"), "");
  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (event: string) => void warnings.push(event) };
  const ballast = new Ballast({ logger }, { path, bytes: 1 << 20 });
  await new Promise((resolve) => setTimeout(resolve, 1200));
  await ballast.close();
  assert.deepEqual(warnings, ["database.ballast_failed"]);
});
