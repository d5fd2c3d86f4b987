import assert from "node:assert/strict";
import { after, test } from "node:test";
import { WrennError } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import type { CapsuleSpec, CapsuleStatus } from "@wrenn/protocol";
import { FakeHostAgent } from "@wrenn/protocol/testing";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";
import type { Answer } from "./support/test-platform.ts";

/** A host whose machines start when the test says so. */
class SlowHostAgent extends FakeHostAgent {
  started = Promise.withResolvers<void>();
  readonly #made = new Set<string>();

  override async createCapsule(spec: CapsuleSpec): Promise<CapsuleStatus> {
    await this.started.promise;
    this.#made.add(spec.id);
    return await super.createCapsule(spec);
  }

  /** Waits until a capsule was made, whatever became of it since. */
  async made(id: string): Promise<void> {
    await eventually(`${id} is made`, () => this.#made.has(id), { intervalMs: 5 });
  }
}

const host = new SlowHostAgent();
const platform = await TestPlatform.start({ host, createAnswerMs: 1000 });
after(() => platform[Symbol.asyncDispose]());
const call = (method: string, path: string, more: { readonly headers?: Record<string, string> } = {}) =>
  platform.call(method, path, { key: platform.apiKey, ...more });
const create = (headers: Record<string, string> = {}): Promise<Answer> =>
  platform.call("POST", "/v1/capsules", { key: platform.apiKey, body: {}, headers });

async function until(id: unknown, status: string): Promise<Answer> {
  return await eventually(`it is ${status}`, async () => {
    const answer = await call("GET", `/v1/capsules/${String(id)}`);
    return answer.body["status"] === status && answer;
  });
}

test("a create that takes long answers with a capsule that is being made, and what is asked of it waits", async () => {
  host.started = Promise.withResolvers();
  const key = { "idempotency-key": "slow" };
  const answer = await create(key);
  assert.equal(answer.status, 201);
  assert.match(String(answer.body["status"]), /^(pending|starting)$/);
  const { id } = answer.body;
  const again = await create(key);
  assert.deepEqual([again.status, again.body["id"]], [201, id]);
  const ping = call("POST", `/v1/capsules/${String(id)}/ping`);
  const early = await Promise.race([ping, new Promise((resolve) => setTimeout(resolve, 300, "waits"))]);
  assert.equal(early, "waits");
  host.started.resolve();
  assert.equal((await ping).status, 204);
  assert.equal((await call("GET", `/v1/capsules/${String(id)}`)).body["status"], "running");
});

test("it is waited for a few seconds only, and pausing it is refused at once", async () => {
  host.started = Promise.withResolvers();
  const { id } = (await create()).body;
  const pause = await call("POST", `/v1/capsules/${String(id)}/pause`);
  assert.equal(pause.status, 409);
  const ping = await call("POST", `/v1/capsules/${String(id)}/ping`);
  assert.deepEqual([ping.status, reasonOf(ping)], [409, "capsule_not_running"]);
  host.started.resolve();
  await until(id, "running");
});

test("one that fails after its answer says why in its status", async () => {
  host.started = Promise.withResolvers();
  const { id } = (await create()).body;
  host.refusal = new WrennError("disk_full", { path: "/somewhere" });
  host.started.resolve();
  const { body } = await until(id, "error");
  assert.match(String(body["problem"]), /disk|space/);
  const ping = await call("POST", `/v1/capsules/${String(id)}/ping`);
  assert.equal(reasonOf(ping), "capsule_not_running");
  host.refusal = undefined;
});

test("one that is destroyed while it is made never runs, and its machine goes", async () => {
  host.started = Promise.withResolvers();
  const id = String((await create()).body["id"]);
  assert.equal((await call("DELETE", `/v1/capsules/${id}`)).status, 204);
  host.started.resolve();
  await host.made(id);
  await eventually("the host has dropped it", async () => {
    assert.equal((await call("GET", `/v1/capsules/${id}`)).body["status"], "stopped");
    return !host.capsules.has(id);
  });
  assert.equal((await call("GET", `/v1/capsules/${id}`)).body["status"], "stopped");
});

test("a create that is refused before its time is refused as ever", async () => {
  host.started = Promise.withResolvers();
  host.started.resolve();
  host.refusal = new WrennError("disk_full", { path: "/somewhere" });
  assert.equal((await create()).status, 502);
  host.refusal = undefined;
});
