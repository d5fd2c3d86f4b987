import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "@wrenn/core";
import { watchGrowth } from "../support/resident-memory.ts";
import { ServerProcess } from "../support/server-process.ts";

/** Rounds of commands to a guest that does not read, each of so many of almost the longest body. */
const ROUNDS = 5;
const COMMANDS = 60;
const BODY = "x".repeat(840_000);
/** Of the 240 MiB that go to the guest. */
const MOST_LEFT_MIB = 16;
/** What the garbage collector has not got to yet is among it. */
const GROWTH_MIB = 400;
/** Stops whatever holds the ports of the guest agent. */
const STOP = `sleep 1; for p in /proc/[0-9]*; do
  if ls -l $p/fd 2>/dev/null | grep -q vport; then kill -STOP \${p#/proc/}; fi; done; sleep 1000`;

const long = process.env["WRENN_TEST_LONG"] === "1";

test(
  "a guest whose root stops the agent costs the server no memory when clients leave, and holds up no other capsule",
  { skip: long ? false : "takes a minute; run with --long" },
  async () => {
    const server = await ServerProcess.start();
    try {
      const create = async (): Promise<string> =>
        (await server.api.call<{ id: string }>("POST", "/v1/capsules", { memory_mb: 128 })).body.id;
      const hostile = await create();
      const other = await create();
      await server.api.call("POST", `/v1/capsules/${hostile}/exec`, {
        cmd: "sh",
        args: ["-c", STOP],
        background: true,
      });
      await systemClock.sleep(2500);
      const heldBefore = await server.heldMib();
      const growthSoFar = await watchGrowth(server.pid);
      for (let round = 0; round < ROUNDS; round++) {
        const gone = AbortSignal.timeout(1500);
        const calls = await Promise.allSettled(
          Array.from({ length: COMMANDS }, async () => {
            const response = await fetch(`${server.api.url}/v1/capsules/${hostile}/exec`, {
              method: "POST",
              headers: { "x-api-key": server.api.apiKey, "content-type": "application/json" },
              body: JSON.stringify({ cmd: "true", args: [BODY] }),
              signal: gone,
            });
            return response.status;
          }),
        );
        const answers = calls.map((call) => (call.status === "fulfilled" ? call.value : "left"));
        assert.ok(!answers.includes(200), "the agent has not stopped");
        const started = performance.now();
        const { body } = await server.api.call<{ stdout: string }>("POST", `/v1/capsules/${other}/exec`, {
          cmd: "echo",
          args: ["here"],
        });
        assert.equal(body.stdout, "here\n");
        assert.ok(performance.now() - started < 5000, `${performance.now() - started} ms`);
      }
      const growth = growthSoFar();
      const left = (await server.heldMib()) - heldBefore;
      assert.ok(left < MOST_LEFT_MIB, `${left.toFixed(1)} MiB are held`);
      assert.ok(growth < GROWTH_MIB, `${growth.toFixed(0)} MiB`);
      for (const id of [hostile, other]) await server.api.call("DELETE", `/v1/capsules/${id}`);
    } finally {
      await server.close();
    }
  },
);
