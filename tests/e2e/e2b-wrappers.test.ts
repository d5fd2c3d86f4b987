/* Drawn: packages/e2b/test shows the same routes, and tests/e2e/e2b-agent.test.ts the agent. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { E2bMachine } from "../support/e2b-machine.ts";
import type { Reach } from "../support/e2b-machine.ts";
import { installPublishedClients } from "../support/published-clients.ts";
import type { PublishedClients } from "../support/published-clients.ts";

/* Published packages of others that are made for E2B, unmodified: they find the server by variables alone. */

let machine: E2bMachine;
let programs: PublishedClients;
before(async () => {
  [programs, machine] = await Promise.all([installPublishedClients(), E2bMachine.start()]);
});
after(() => machine[Symbol.asyncDispose]());

async function seenBy<T>(reach: Reach, program: string): Promise<T> {
  const { code, stdout, stderr } = await machine.run(reach, program);
  assert.equal(code, 0, stderr + stdout);
  return JSON.parse(stdout) as T;
}

test("@computesdk/e2b 1.7.52 runs commands, keeps files and restores snapshots", async () => {
  const { id, again, url, ...seen } = await seenBy<Record<string, unknown>>(
    "a domain with TLS",
    programs.computesdk,
  );
  assert.equal(again, id);
  assert.equal(url, `https://8000-${String(id)}.${machine.domain}`);
  assert.deepEqual(seen, {
    counted: ["45\nset once\n", 0],
    failed: ["problem\n", 7],
    names: ["a.txt"],
    text: "kept",
    isThere: false,
    found: true,
    isListed: true,
    gone: null,
  });
});

test("@openai/agents-extensions 0.18.0 has a workspace, a terminal and a pause between two turns", async () => {
  const seen = await seenBy<Readonly<Record<string, string>>>("plain HTTP", programs.openaiAgents);
  assert.equal(seen["resumed"], seen["id"]);
  assert.match(seen["ran"] ?? "", /exited with code 3\nOutput:\n\/workspace\nuser\nmilk\nagent\n$/);
  assert.match(seen["typed"] ?? "", /got typed/);
  for (const turn of ["kept", "unpacked"]) assert.match(seen[turn] ?? "", /\nmilk\n$/, turn);
});
