/* Drawn: packages/e2b/test shows most methods without a machine. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { E2bMachine } from "../support/e2b-machine.ts";
import { projectRoot } from "../support/sources.ts";

/*
 * Every method of the published clients is called and checked on a real sandbox: what they have is read from them. Methods of templates
 * are in packages/e2b/test/template-methods.test.ts.
 */

const program = join(projectRoot, "tests/support/e2b-methods-process.ts");
const LIMIT_MS = 300_000;

let machine: E2bMachine;
before(async () => {
  machine = await E2bMachine.start();
});
after(() => machine[Symbol.asyncDispose]());

for (const [client, reach] of [
  ["e2b", "plain HTTP"],
  ["e2b-2-45", "a domain with TLS"],
] as const)
  test(`every method of ${client} does what it says, by ${reach}`, async () => {
    const { code, stdout, stderr } = await machine.run(reach, program, [client], { limitMs: LIMIT_MS });
    assert.equal(code, 0, stderr + stdout);
    assert.deepEqual(JSON.parse(stdout), [], "methods that nothing calls");
  });
