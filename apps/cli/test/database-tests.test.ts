import assert from "node:assert/strict";
import { test } from "node:test";
import { worksWithDatabase } from "../src/testing/database-tests.ts";

test("tests of the control plane that work with the database run on both, others on one", () => {
  const isChosen = (text: string, path = "packages/control-plane/test/some.test.ts"): boolean =>
    worksWithDatabase(path, text);
  for (const text of [
    'import { sql } from "kysely";',
    'import { hostQueries } from "@wrenn/database";',
    'import { TestDatabase } from "@wrenn/database/testing";',
    'import { openFaultLab } from "./support/fault-lab.ts";',
    "await db.transaction().execute(work);",
    "/* On both databases: two control planes hear of each other. */",
  ])
    assert.equal(isChosen(text), true, text);
  assert.equal(isChosen("", "packages/control-plane/test/storage-races.test.ts"), true);
  assert.equal(isChosen('import { TestPlatform } from "./support/test-platform.ts";'), false);
});
