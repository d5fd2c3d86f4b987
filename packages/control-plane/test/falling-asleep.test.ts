import assert from "node:assert/strict";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());
const { apiKey: key, host } = platform;

async function create(body: object): Promise<string> {
  const answer = await platform.call("POST", "/v1/capsules", { key, body });
  assert.equal(answer.status, 201);
  return String(answer.body["id"]);
}

/** What the host says of a capsule from now on. */
function hostSays(id: string, state: "pausing" | "paused"): void {
  const status = host.capsules.get(id) ?? assert.fail(`no ${id}`);
  host.capsules.set(id, { ...status, state });
}

test("a capsule that is used while it falls asleep is woken when it has, if it wants to be", async () => {
  const id = await create({ auto_resume: true });
  hostSays(id, "pausing");
  const ping = platform.call("POST", `/v1/capsules/${id}/ping`, { key });
  const early = await Promise.race([ping, new Promise((resolve) => setTimeout(resolve, 300, "waits"))]);
  assert.equal(early, "waits");
  hostSays(id, "paused");
  assert.equal((await ping).status, 204);
  assert.equal(host.capsules.get(id)?.state, "running");
  assert.equal((await platform.call("GET", `/v1/capsules/${id}`, { key })).body["status"], "running");
});

test("one that does not want to be woken stays asleep", async () => {
  const id = await create({});
  hostSays(id, "paused");
  const refused = await eventually("the host is heard", async () => {
    const answer = await platform.call("POST", `/v1/capsules/${id}/ping`, { key });
    return answer.status === 409 && answer;
  });
  assert.equal(reasonOf(refused), "capsule_not_running");
  assert.equal(host.capsules.get(id)?.state, "paused");
});
