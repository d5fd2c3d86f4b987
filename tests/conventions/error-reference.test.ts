import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { errorCatalogue } from "@wrenn/core";
import { renderErrorReference } from "../support/error-reference.ts";
import { listSources, projectRoot } from "../support/sources.ts";

test("the error reference is what the catalogue says; npm run reference renews it", async () => {
  const written = await readFile(join(projectRoot, "docs/reference/errors.md"), "utf8");
  assert.ok(written === renderErrorReference(), "docs/reference/errors.md is stale: npm run reference");
});

test("every reason of the catalogue is thrown somewhere", async () => {
  const sources = (await listSources(["packages", "apps"])).filter(
    (path) => path.includes("/src/") && path.endsWith(".ts") && !path.endsWith("error-catalogue.ts"),
  );
  const texts = await Promise.all(sources.map((path) => readFile(join(projectRoot, path), "utf8")));
  const all = texts.join("\n");
  const unused = Object.keys(errorCatalogue).filter((reason) => !all.includes(`"${reason}"`));
  assert.deepEqual(unused, []);
});
