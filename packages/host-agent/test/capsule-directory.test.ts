import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { exists } from "@wrenn/system";
import { CapsuleDirectory } from "../src/capsules/capsule-directory.ts";

const root = await mkdtemp("/tmp/wrenn-directories-");
after(() => rm(root, { recursive: true }));

test("a directory is removed although a verification still writes into it", async () => {
  for (let round = 0; round < 20; round++) {
    const directory = new CapsuleDirectory(root, `c${round}`);
    const generation = join(directory.generations, "g1");
    await mkdir(generation, { recursive: true });
    for (let file = 0; file < 20; file++) await writeFile(join(generation, `old-${file}`), "");
    const removed = new AbortController();
    const writers = Array.from({ length: 4 }, async (_, writer) => {
      for (let file = 0; !removed.signal.aborted; file++)
        await writeFile(join(generation, `new-${writer}-${file}`), "").catch(() => removed.abort());
    });
    await directory.remove();
    removed.abort();
    await Promise.all(writers);
    assert.equal(await exists(directory.path), false);
    await directory.remove();
  }
});
