import assert from "node:assert/strict";
import { after, test } from "node:test";
import { eventKindsByName } from "@wrenn/control-plane";
import { parseId } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import type { CapsuleStatus } from "@wrenn/protocol";
import { Value } from "typebox/value";
import { TestPlatform } from "./support/test-platform.ts";

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());
const { database, host, apiKey: key } = platform;

const call = async (method: string, path: string, body?: unknown) => {
  const answer = await platform.call(method, path, { key, body });
  assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
};
const create = async (): Promise<string> => String((await call("POST", "/v1/capsules", {}))["id"]);
const read = async (id: string) => await call("GET", `/v1/capsules/${id}`);

/** Events about the guest of a capsule, in their order. */
async function eventsOf(id: string) {
  const rows = await database.db
    .selectFrom("events")
    .selectAll()
    .where("resource_id", "=", parseId("capsule", id))
    .orderBy("id")
    .execute();
  return rows.filter(({ type }) => /answering|memory|disk_/.test(type));
}

/** Reports a condition, again and again as a host that is asked would, until it is recorded. */
async function reported(
  id: string,
  change: Partial<CapsuleStatus>,
  isRecorded: () => Promise<boolean>,
): Promise<void> {
  host.report(id, change);
  await eventually(`${JSON.stringify(change)} is recorded`, isRecorded, { timeoutMs: 20_000 });
}

test("a guest that does not answer is shown, counted and reported, and that it answers again", async () => {
  const id = await create();
  assert.equal((await read(id))["health"], "ok");
  await reported(id, { health: "not_answering" }, async () => (await read(id))["health"] === "not_answering");
  const { items } = (await call("GET", "/v1/capsules")) as { items?: Record<string, unknown>[] };
  if (items) assert.equal(items.find((one) => one["id"] === id)?.["health"], "not_answering");
  const metrics = await platform.text("/metrics");
  assert.match(metrics, /^wrenn_capsules_not_answering 1$/m);
  assert.equal((await read(id))["status"], "running");
  // The first report after the pause between two is found by the next comparison with the host.
  await reported(id, { health: "ok" }, async () => (await read(id))["health"] === "ok");
  assert.deepEqual(
    (await eventsOf(id)).map(({ type }) => type),
    ["capsule.not_answering", "capsule.answering"],
  );
});

test("a pause ends what was known of the guest, without an event", async () => {
  const id = await create();
  await reported(id, { health: "not_answering" }, async () => (await read(id))["health"] === "not_answering");
  const { health: _silent, ...status } = host.capsules.get(id) ?? assert.fail();
  host.capsules.set(id, status);
  await call("POST", `/v1/capsules/${id}/pause`);
  assert.equal((await read(id))["health"], undefined);
  await call("POST", `/v1/capsules/${id}/resume`);
  assert.equal((await read(id))["health"], "ok");
  assert.deepEqual(
    (await eventsOf(id)).map(({ type }) => type),
    ["capsule.not_answering"],
  );
});

test("memory that was full is an event, once, with what was killed", async () => {
  const id = await create();
  const at = Date.UTC(2030, 0, 2);
  const outOfMemory = { at, kills: 3, process: "python3", pid: 42, memoryBytes: 1 << 20 };
  const count = async (): Promise<number> => (await eventsOf(id)).length;
  await reported(id, { outOfMemory }, async () => (await count()) === 1);
  // The same again, and an earlier one: of a host that was restarted, of a capsule that was taken back.
  host.report(id, { outOfMemory });
  host.report(id, { outOfMemory: { ...outOfMemory, at: at - 1000 } });
  const next = { ...outOfMemory, at: at + 1000, kills: 5, pid: 43 };
  await reported(id, { outOfMemory: next }, async () => (await count()) === 2);
  const [first, second] = await eventsOf(id);
  assert.deepEqual(first?.data, {
    process: "python3",
    pid: 42,
    memory_bytes: 1 << 20,
    killed: 3,
    at: "2030-01-02T00:00:00.000Z",
  });
  assert.deepEqual([second?.data["pid"], second?.data["killed"]], [43, 2]);
});

test("a disk that becomes full is one event for each crossing, for bytes and for files", async () => {
  const id = await create();
  const types = async (): Promise<readonly string[]> =>
    (await eventsOf(id)).map(({ type, data }) => `${type} ${String(data["resource"])}`);
  await reported(id, { fullDisk: ["space"] }, async () => (await read(id))["disk_full"] === true);
  await reported(id, { fullDisk: ["space", "files"] }, async () => (await types()).length === 2);
  await reported(id, { fullDisk: [] }, async () => (await read(id))["disk_full"] === undefined);
  assert.deepEqual(await types(), [
    "capsule.disk_full space",
    "capsule.disk_full files",
    "capsule.disk_freed space",
    "capsule.disk_freed files",
  ]);
});

test("the data of these events is what the table says", async () => {
  const rows = await database.db
    .selectFrom("events")
    .selectAll()
    .where("type", "in", [
      "capsule.not_answering",
      "capsule.answering",
      "capsule.out_of_memory",
      "capsule.disk_full",
      "capsule.disk_freed",
    ])
    .execute();
  assert.equal(new Set(rows.map(({ type }) => type)).size, 5);
  for (const { type, data } of rows) {
    const kind = eventKindsByName.get(type) ?? assert.fail(type);
    assert.ok(Value.Check(kind.data, data), `${type} ${JSON.stringify(data)}`);
  }
});
