import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { machinesBelow } from "../support/machines-below.ts";
import { ServerProcess } from "../support/server-process.ts";

/* Creates whose server is killed before it answers. */

const long = process.env["WRENN_TEST_LONG"] === "1";

let server: ServerProcess;
before(async () => {
  server = await ServerProcess.start();
});
after(async () => {
  await server.close();
  assert.deepEqual(await machinesBelow(server.dataDirectory), []);
});

interface CapsuleBody {
  readonly id: string;
  readonly status: string;
}

const create = (headers: Record<string, string> = {}) =>
  server.api.call<CapsuleBody>("POST", "/v1/capsules", {}, headers);
const live = async (): Promise<readonly CapsuleBody[]> =>
  (await server.api.call<CapsuleBody[]>("GET", "/v1/capsules")).body;

/** Sends a create to a server that is killed before a step of it, and starts the server again. */
async function createAndCrash(step: string, headers: Record<string, string> = {}): Promise<void> {
  await server.crashAt(step);
  await assert.rejects(create(headers));
  await server.gone();
  await server.crashAt("");
  await server.start();
}

test("a create that is repeated after its server was killed gives one capsule, which works", async () => {
  for (const step of long ? ["create:slot", "create:machine", "create:commit"] : ["create:commit"]) {
    const key = { "idempotency-key": `after-${step.replace(":", "-")}` };
    await createAndCrash(step, key);
    const { status, body } = await create(key);
    assert.equal(status, 201, `${step}: ${JSON.stringify(body)}`);
    assert.equal((await create(key)).body.id, body.id);
    assert.deepEqual(
      (await live()).map(({ id }) => id),
      [body.id],
    );
    assert.equal((await server.api.shell(body.id, "echo here")).stdout, "here\n");
    assert.equal((await server.api.call("DELETE", `/v1/capsules/${body.id}`)).status, 204);
  }
});

test(
  "of a create that its killed server did not answer no capsule is left a minute after the next start",
  { skip: long ? false : "takes a minute; run with --long" },
  async () => {
    await createAndCrash("create:commit");
    const answered = await create();
    assert.equal(answered.status, 201);
    await eventually(
      "only the answered one is left",
      async () => (await live()).map(({ id }) => id).join() === answered.body.id,
      { timeoutMs: 90_000, intervalMs: 1000 },
    );
    await new Promise((resolve) => setTimeout(resolve, 75_000));
    assert.deepEqual(
      (await live()).map(({ id }) => id),
      [answered.body.id],
    );
  },
);
