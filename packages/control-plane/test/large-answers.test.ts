import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger, systemRandom } from "@wrenn/core";
import { createApp } from "../src/http/create-app.ts";
import { limitWork } from "../src/http/limit-work.ts";
import { PendingWork } from "../src/http/pending-work.ts";

const limit = { count: 10, bytes: 100_000 };

test("an answer without room is refused with 429, and its memory and place are free again", async () => {
  const pending = new PendingWork({ capsule: limit, team: limit, server: limit });
  const app = await createApp({ logger: silentLogger, random: systemRandom }, "0.0.0");
  await app.register(async (group) => {
    group.addHook("onRequest", async (request) => {
      request.identity = { teamId: "team" };
    });
    limitWork(group, pending);
    group.get("/v1/capsules/:id/files/text/:size", async (request) => {
      const { size } = request.params as { readonly size: string };
      return { text: "x".repeat(Number(size)) };
    });
  });
  try {
    const ask = async (size: number): Promise<{ readonly statusCode: number; readonly body: string }> =>
      await app.inject({ url: `/v1/capsules/a/files/text/${size}` });
    for (let round = 0; round < 12; round++) {
      assert.equal((await ask(90_000)).statusCode, 200);
      const { statusCode, body } = await ask(110_000);
      assert.equal(statusCode, 429);
      assert.equal((JSON.parse(body) as { error: { reason: string } }).error.reason, "guest_busy");
    }
    assert.equal(pending.count, 0);
  } finally {
    await app.close();
  }
});
