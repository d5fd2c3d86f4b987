import assert from "node:assert/strict";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { TestPlatform } from "./support/test-platform.ts";

/* On both databases: a report and the operation that it is of write at the same time. */

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());
const { apiKey: key, host } = platform;
host.phases = { disk: 0, machine: 0 };

interface ListedEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

async function create(): Promise<string> {
  const { body } = await platform.call("POST", "/v1/capsules", { key, body: {} });
  return String(body["id"]);
}

/** Events of a capsule after its creation, the oldest first. */
async function eventsOf(id: string): Promise<readonly ListedEvent[]> {
  const { body } = await platform.call("GET", `/v1/events/history?capsule=${id}`, { key });
  const [created, ...later] = (body as unknown as readonly ListedEvent[]).toReversed();
  assert.equal(created?.event, "capsule.created");
  return later;
}

/** Begins a request, and waits until the host has reported a pause and the control plane has had time to act on it. */
async function reportThenAnswer(path: string): Promise<void> {
  host.release = async () => await sleep(300);
  try {
    const answer = await platform.call("POST", path, { key });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
  } finally {
    host.release = async () => undefined;
  }
}

for (const how of ["pause", "pause?memory=false"])
  test(`a capsule that its host reports paused before it answers to ${how} is paused once, with phases`, async () => {
    const id = await create();
    await reportThenAnswer(`/v1/capsules/${id}/${how}`);
    const [paused, ...others] = await eventsOf(id);
    assert.equal(paused?.event, "capsule.paused");
    assert.deepEqual(Object.keys(paused.data["phases"] ?? {}).toSorted(), ["disk", "machine"]);
    assert.deepEqual(others, []);
  });

test("the pause on the way of a restore is not reported to the team", async () => {
  const id = await create();
  const path = `/v1/capsules/${id}/checkpoints`;
  const { body } = await platform.call("POST", path, { key, body: {} });
  await reportThenAnswer(`${path}/${String(body["id"])}/restore`);
  const kinds = (await eventsOf(id)).map(({ event }) => event);
  assert.deepEqual(kinds, ["checkpoint.created", "checkpoint.restored"]);
});

test("a report of a pause that is over changes nothing", async () => {
  const [id, another] = [await create(), await create()];
  host.report(id, { state: "paused" });
  host.report(id, { state: "running" });
  // What was reported before it is recorded with it.
  host.report(another, { state: "paused", kept: "memory" });
  const status = async (of: string): Promise<unknown> =>
    (await platform.call("GET", `/v1/capsules/${of}`, { key })).body["status"];
  while ((await status(another)) !== "paused") await sleep(20);
  await sleep(200);
  assert.equal(await status(id), "running");
  assert.deepEqual(await eventsOf(id), []);
});
