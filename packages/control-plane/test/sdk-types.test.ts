import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import type { ApiDocument } from "../src/openapi/api-document.ts";
import { renderClientTypes, renderDashboardTypes, renderSdkTypes } from "./support/sdk-types.ts";
import { TestPlatform } from "./support/test-platform.ts";

const packages = join(import.meta.dirname, "../..");
/** Set by `npm run sdk:types`. */
const WRITE = process.env["WRENN_WRITE_REFERENCE"] === "1";

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());
const document = JSON.parse(await platform.text("/openapi.json")) as ApiDocument;

for (const [whose, path, text] of [
  ["the SDK", "sdk/src/wire/generated/api-types.ts", renderSdkTypes(document)],
  ["the command line", "../apps/client/src/wire/generated/account-types.ts", renderClientTypes(document)],
  ["the dashboard", "../apps/dashboard/src/lib/api/generated/page-types.ts", renderDashboardTypes(document)],
] as const)
  test(`the wire types of ${whose} are what the server describes; npm run sdk:types renews them`, async () => {
    const file = join(packages, path);
    if (WRITE) {
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, text);
    }
    assert.ok((await readFile(file, "utf8")) === text, `${path} is stale: npm run sdk:types`);
  });
