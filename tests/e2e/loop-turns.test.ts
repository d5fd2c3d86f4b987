import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { longestTurn, openThreadClock } from "../support/loop-turns.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/** Longer turns hold up the keystrokes of everyone. */
const LIMIT_MS = 5;
const WARM_UP = 3;
/** The garbage collector or the compiler may take a turn in some rounds; what the server does itself takes one in each. */
const ROUNDS = 7;

const threadClock = openThreadClock();
let server: TestServer;
before(async () => {
  server = await startTestServer();
});
after(() => server.close());

test("a turn that holds up the event loop is measured, and waiting is not", async () => {
  const busy = await longestTurn(threadClock, async () => {
    await nextTurn();
    for (const end = threadClock() + 2 * LIMIT_MS; threadClock() < end;);
    await nextTurn();
  });
  assert.ok(busy >= 2 * LIMIT_MS && busy < 4 * LIMIT_MS, `${busy} ms`);
  const waiting: number[] = [];
  for (let round = 0; round < ROUNDS; round++)
    waiting.push(
      await longestTurn(threadClock, () => new Promise((resolve) => setTimeout(resolve, 10 * LIMIT_MS))),
    );
  assert.ok(Math.min(...waiting) < LIMIT_MS / 2, `${waiting.join(", ")} ms`);
});

test("no turn of the event loop takes more than 5 ms of processor time in a create, pause, resume or destroy", async () => {
  const longest = new Map<string, number[]>();
  const measured = async (name: string, work: () => Promise<void>): Promise<void> => {
    const ms = await longestTurn(threadClock, work);
    longest.set(name, [...(longest.get(name) ?? []), ms]);
  };
  for (let round = 0; round < WARM_UP + ROUNDS; round++) {
    let id = "";
    // The first rounds compile schemas and code.
    if (round === WARM_UP) longest.clear();
    await measured("create", async () => {
      const { status, body } = await server.call<{ readonly id: string }>("POST", "/v1/capsules", {});
      assert.ok(status === 201 || status === 202, JSON.stringify(body));
      ({ id } = body);
    });
    for (const verb of ["pause", "resume"])
      await measured(verb, async () => {
        assert.equal((await server.call("POST", `/v1/capsules/${id}/${verb}`)).status, 200);
      });
    await measured("destroy", async () => {
      assert.equal((await server.call("DELETE", `/v1/capsules/${id}`)).status, 204);
    });
  }
  for (const [name, turns] of longest) {
    const shown = turns.map((ms) => ms.toFixed(1)).join(", ");
    assert.equal(turns.length, ROUNDS, name);
    assert.ok(Math.min(...turns) < LIMIT_MS, `${name}: the longest turns took ${shown} ms`);
  }
});
