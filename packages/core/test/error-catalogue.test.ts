import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

const sources = join(import.meta.dirname, "../src");

test("a reason stands in one part of the catalogue only: a later part would silently replace it", async () => {
  const parts = (await readdir(sources)).filter((name) => /(-errors|^error-catalogue)\.ts$/.test(name));
  const seen = new Map<string, string>();
  for (const part of parts) {
    const text = await readFile(join(sources, part), "utf8");
    for (const [, reason = ""] of text.matchAll(/^ {2}(\w+): (?:user|system)\(/gm)) {
      assert.equal(seen.get(reason), undefined, `${reason} is in ${seen.get(reason)} and ${part}`);
      seen.set(reason, part);
    }
  }
  assert.ok(seen.size > 100, String(seen.size));
});
