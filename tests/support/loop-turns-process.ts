import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";
import { longestTurn, openThreadClock } from "./loop-turns.ts";
import { startTestServer } from "./test-server.ts";

/*
 * Measures turns of the event loop of a server in this process, and prints them as JSON. The runner of tests follows every promise and
 * timer of its own process, which takes turns of its own.
 */

/** What one round of the server's work took, in milliseconds of the longest turn. */
export interface MeasuredTurns {
  /** A turn that is busy for `busyMs`, and those of a wait. */
  readonly busy: number;
  readonly waiting: readonly number[];
  readonly verbs: Readonly<Record<string, readonly number[]>>;
}

const [busyMs = 0, warmUp = 0, rounds = 0] = process.argv.slice(2).map(Number);
const threadClock = openThreadClock();
const server = await startTestServer();
try {
  const busy = await longestTurn(threadClock, async () => {
    await nextTurn();
    for (const end = threadClock() + busyMs; threadClock() < end;);
    await nextTurn();
  });
  const waiting: number[] = [];
  for (let round = 0; round < rounds; round++)
    waiting.push(await longestTurn(threadClock, () => new Promise((resolve) => setTimeout(resolve, 50))));
  const verbs: Record<string, number[]> = {};
  for (let round = 0; round < warmUp + rounds; round++) {
    let id = "";
    const measured = async (name: string, work: () => Promise<void>): Promise<void> => {
      const ms = await longestTurn(threadClock, work);
      // The first rounds compile schemas and code.
      if (round >= warmUp) (verbs[name] ??= []).push(ms);
    };
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
  process.stdout.write(JSON.stringify({ busy, waiting, verbs } satisfies MeasuredTurns));
} finally {
  await server.close();
}
