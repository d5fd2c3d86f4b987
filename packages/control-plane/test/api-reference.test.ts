import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import type { ApiDocument } from "../src/openapi/api-document.ts";
import { renderApiReference } from "./support/api-reference.ts";
import { TestPlatform } from "./support/test-platform.ts";

const path = join(import.meta.dirname, "../../../docs/reference/api.md");
/** Set by `npm run reference`. */
const WRITE = process.env["WRENN_WRITE_REFERENCE"] === "1";

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());

test("the API reference is what the server describes; npm run reference renews it", async () => {
  const text = renderApiReference(JSON.parse(await platform.text("/openapi.json")) as ApiDocument);
  if (WRITE) await writeFile(path, text);
  const written = await readFile(path, "utf8");
  assert.ok(written === text, "docs/reference/api.md is stale: npm run reference");
  assert.ok(text.split("\n").length < 6000, "the reference is too long to read");
  const headings = [...text.matchAll(/^### (.+)$/gm)].map(([, heading = ""]) => heading);
  assert.ok(headings.length > 100);
});
