import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { SeenCell } from "../support/cell-service.ts";
import { E2bMachine, reaches } from "../support/e2b-machine.ts";
import { projectRoot } from "../support/sources.ts";

/*
 * @e2b/code-interpreter 2.8.0 before a sandbox: its agent, and the way to port 49999 with the ends of its requests. What answers there
 * is tested by packages/code-interpreter/test, and in a sandbox by tests/support/check-interpreter.ts.
 */

const program = join(projectRoot, "tests/support/e2b-interpreter-process.ts");
/** A second on a machine that does nothing else. */
const SEEN_MS = 4000;

let machine: E2bMachine;
before(async () => {
  machine = await E2bMachine.start();
});
after(() => machine[Symbol.asyncDispose]());

for (const reach of reaches)
  test(`the client for code interpreters reaches the agent and port 49999, by ${reach}`, async (t) => {
    const { code, stdout, stderr } = await machine.run(reach, program);
    assert.equal(code, 0, stderr + stdout);
    const { id, user, isSameFile, seen, timedOut, breaks } = JSON.parse(stdout) as {
      readonly id: string;
      readonly user: string;
      readonly isSameFile: boolean;
      readonly seen: SeenCell;
      readonly timedOut: string;
      readonly breaks: Readonly<Record<string, number>>;
    };
    assert.deepEqual([user, isSameFile], ["user", true]);
    assert.deepEqual(
      [seen.path, seen.cell],
      ["/execute", { code: "6 * 7", language: "python", env_vars: { MODE: "once" } }],
    );
    assert.equal(seen.headers["e2b-sandbox-id"], id);
    assert.match(timedOut, /timed out/i);
    t.diagnostic(
      `milliseconds until the service saw that a request was broken off: ${JSON.stringify(breaks)}`,
    );
    const versions = reach === "plain HTTP" ? ["1.1", "client"] : ["1.1", "2", "client"];
    assert.deepEqual(Object.keys(breaks).toSorted(), versions);
    for (const ms of Object.values(breaks)) assert.ok(ms < SEEN_MS, JSON.stringify(breaks));
  });
