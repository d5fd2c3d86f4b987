import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { listSources, projectRoot } from "../support/sources.ts";
import { runsAlone } from "../../apps/cli/src/testing/lone-tests.ts";

test("end-to-end tests that list what is left on the whole machine run alone, and most do not", async () => {
  const alone: string[] = [];
  const shared: string[] = [];
  for (const file of await listSources(["tests/e2e"])) {
    const text = await readFile(`${projectRoot}/${file}`, "utf8");
    (runsAlone(text) ? alone : shared).push(file);
    const looksAtAll =
      /\bleftSince\(|await findLeftovers\(\);|\(await findLeftovers\(\)\)\.filter\(\(item\) => !/;
    if (looksAtAll.test(text)) assert.ok(runsAlone(text), `${file} looks at the whole machine`);
  }
  assert.ok(shared.length > 3 * alone.length, `${alone.length} of ${alone.length + shared.length} run alone`);
});
