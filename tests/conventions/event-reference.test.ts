import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { eventKindsByName } from "@wrenn/control-plane";
import { renderEventReference } from "../support/event-reference.ts";
import { projectRoot } from "../support/sources.ts";

/** Tables without the spaces and hyphens that align them. */
function unaligned(text: string): string {
  return text.replaceAll(/ +\|/g, " |").replaceAll(/-{3,}/g, "---");
}

test("the reference of events is what the table of kinds says; npm run reference renews it", async () => {
  const written = await readFile(join(projectRoot, "docs/reference/events.md"), "utf8");
  assert.ok(
    unaligned(written) === unaligned(renderEventReference()),
    "docs/reference/events.md is stale: npm run reference",
  );
});

test("every kind of event is a noun and what happened to it, and has a summary", () => {
  for (const [name, { summary, since }] of eventKindsByName) {
    assert.match(name, /^[a-z_]+(\.[a-z_]+)+$/);
    assert.match(since, /^\d+\.\d+\.\d+$/, name);
    assert.ok(summary.length > 0 && !summary.endsWith("."), name);
  }
});
