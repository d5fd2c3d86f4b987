import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { errorCatalogue, WrennError } from "@wrenn/core";
import type { CatalogueEntry } from "@wrenn/core";

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

test("every error that says to come again says when", () => {
  for (const [reason, { status, message, retryAfter }] of Object.entries<CatalogueEntry>(errorCatalogue)) {
    if (status !== 429) continue;
    // The place in the message has the seconds of this occurrence.
    assert.ok(message.includes("{retry_after}") || (retryAfter ?? 0) >= 1, reason);
  }
  assert.equal(new WrennError("rate_limited", { retry_after: 7 }).retryAfter, 7);
  assert.equal(new WrennError("connections_full", { limit: 1 }).retryAfter, 1);
  assert.equal(new WrennError("internal", {}).retryAfter, undefined);
});
