import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Stage } from "../screenshots/stage.ts";
import { looks, takeAll } from "../screenshots/take-all.ts";
import { noBrowser } from "../support/browser.ts";
import { projectRoot } from "../support/sources.ts";

/*
 * Pictures of every page, in both themes, on a desk and on a phone. They are kept in build/screenshots, to be looked at; what can be
 * told without looking is a failure: an error, a page wider than the screen, a violated policy, an empty page.
 */

const skip =
  process.env["WRENN_TEST_LONG"] === "1" ? noBrowser : "only with --long: takes pictures for minutes";
const DIRECTORY = join(projectRoot, "build/screenshots");

let stage: Stage;
before(async () => {
  if (skip === false) stage = await Stage.open(AbortSignal.timeout(5 * 60_000));
});
after(() => stage?.[Symbol.asyncDispose]());

for (const look of looks)
  test(`every page, ${look.device}, ${look.theme}`, { skip, timeout: 10 * 60_000 }, async () => {
    assert.deepEqual(await takeAll(stage, DIRECTORY, look), []);
  });
