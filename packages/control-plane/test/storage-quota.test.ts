import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { parseId } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { FakeHostAgent } from "@wrenn/protocol/testing";
import { shareOut } from "../src/hosts/storage-meter.ts";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";
import type { Answer } from "./support/test-platform.ts";

/* On both databases: requests that come at once share what a team may have. */

const MIB = 2 ** 20;
const MEMORY_MB = 256;
/** Keeps checkpoints under way until it is resolved. */
let hold: Promise<void> | undefined;

class HoldingHostAgent extends FakeHostAgent {
  override async checkpointCapsule(...request: Parameters<FakeHostAgent["checkpointCapsule"]>) {
    await hold;
    return await super.checkpointCapsule(...request);
  }
}

const host = new HoldingHostAgent();
const platform = await TestPlatform.start({ host });
after(() => platform[Symbol.asyncDispose]());
const { apiKey: key, database } = platform;

const create = async (): Promise<string> => {
  const answer = await platform.call("POST", "/v1/capsules", { key, body: { memory_mb: MEMORY_MB } });
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return String(answer.body["id"]);
};
const checkpoint = (id: string): Promise<Answer> =>
  platform.call("POST", `/v1/capsules/${id}/checkpoints`, { key, body: {} });
const destroy = (id: string): Promise<Answer> => platform.call("DELETE", `/v1/capsules/${id}`, { key });
const snapshot = (id: string, name: string, query = ""): Promise<Answer> =>
  platform.call("POST", `/v1/snapshots${query}`, { key, body: { sandbox_id: id, name } });

const limit = async (limits: Record<string, number>): Promise<void> => {
  await database.db.updateTable("teams").set(limits).execute();
};

function assertExceeded(answer: Answer, words: RegExp): void {
  assert.deepEqual([answer.status, reasonOf(answer)], [403, "quota_exceeded"]);
  const text = JSON.stringify(answer.body);
  assert.match(text, words);
  assert.match(text, /delete checkpoints or templates/);
}

beforeEach(async () => {
  await limit({ max_storage_mb: 102_400, max_checkpoints: 500, max_capsule_checkpoints: 50 });
  host.savedBytes = 1;
});

test("checkpoints in a loop are refused once a capsule has its number of them, and deleting one makes room at once", async () => {
  await limit({ max_capsule_checkpoints: 3 });
  const id = await create();
  const answers: Answer[] = [];
  for (let n = 0; n < 5; n++) answers.push(await checkpoint(id));
  assert.deepEqual(
    answers.map(({ status }) => status),
    [201, 201, 201, 403, 403],
  );
  assertExceeded(answers[4] ?? assert.fail(), /may have 3 checkpoints of a capsule, and this would make 4/);
  const oldest = String(answers[0]?.body["id"]);
  assert.equal(
    (await platform.call("DELETE", `/v1/capsules/${id}/checkpoints/${oldest}`, { key })).status,
    204,
  );
  assert.equal((await checkpoint(id)).status, 201);
  assert.equal((await checkpoint(id)).status, 403);
  await destroy(id);
});

test("a team has its number of checkpoints over all of its capsules, however many ask at once", async () => {
  await limit({ max_checkpoints: 4 });
  const ids = [await create(), await create()];
  const answers = await Promise.all(Array.from({ length: 10 }, (_, n) => checkpoint(ids[n % 2] ?? "")));
  assert.equal(answers.filter(({ status }) => status === 201).length, 4);
  assertExceeded(answers.find(({ status }) => status !== 201) ?? assert.fail(), /may have 4 checkpoints/);
  for (const id of ids) await destroy(id);
  const { body } = await platform.call("GET", "/v1/capsules/stats", { key });
  assert.equal((body["current"] as { checkpoints: number }).checkpoints, 0);
  // What a destroyed capsule stored no longer counts.
  const id = await create();
  assert.equal((await checkpoint(id)).status, 201);
  await destroy(id);
});

test("bytes count between two reports of the host: what is under way as the most that it may become", async () => {
  const id = await create();
  // Room for one moment and a half.
  await limit({ max_storage_mb: MEMORY_MB * 1.5 + 20 });
  host.savedBytes = MEMORY_MB * MIB;
  const held = Promise.withResolvers<void>();
  hold = held.promise;
  const first = checkpoint(id);
  await eventually(
    "it is under way",
    async () =>
      (
        await database.db
          .selectFrom("operations")
          .select("id")
          .where("kind", "=", "checkpoint")
          .where("state", "=", "running")
          .execute()
      ).length === 1,
  );
  assertExceeded(await checkpoint(id), /MiB of storage/);
  held.resolve();
  hold = undefined;
  assert.equal((await first).status, 201);
  assertExceeded(await checkpoint(id), /MiB of storage/);
  // What a failed attempt claimed is free again.
  await limit({ max_storage_mb: MEMORY_MB * 3 });
  host.cut = true;
  assert.notEqual((await checkpoint(id)).status, 201);
  host.cut = false;
  assert.equal((await checkpoint(id)).status, 201);
  await destroy(id);
});

test("a team whose guests have written its quota gets no capsule, checkpoint, fork or template; a pause is never refused", async () => {
  const id = await create();
  const paused = await create();
  assert.equal((await platform.call("POST", `/v1/capsules/${paused}/pause`, { key })).status, 200);
  host.diskBytes.set(id, 3000 * MIB);
  await limit({ max_storage_mb: 3000 });
  const refused: readonly [string, () => Promise<Answer>][] = [
    ["checkpoint", () => checkpoint(id)],
    ["fork", () => platform.call("POST", `/v1/capsules/${id}/fork`, { key, body: { count: 1 } })],
    ["template", () => snapshot(paused, "too-much")],
    ["template that is replaced", () => snapshot(paused, "too-much", "?overwrite=true")],
    ["create", () => platform.call("POST", "/v1/capsules", { key, body: {} })],
  ];
  // As after a report of the host; which is not waited for elsewhere.
  platform.clock.advance(16_000);
  await eventually("the host's report has come", async () => (await checkpoint(id)).status === 403);
  for (const [what, work] of refused) {
    const answer = await work();
    assert.equal(reasonOf(answer), "quota_exceeded", `${what}: ${JSON.stringify(answer.body)}`);
  }
  assert.equal(host.capsules.size, 2, "nothing was made");
  const stats = (await platform.call("GET", "/v1/capsules/stats", { key })).body["current"];
  assert.ok((stats as { storage_mb: number }).storage_mb >= 3000);
  assert.equal((await platform.call("POST", `/v1/capsules/${id}/pause`, { key })).status, 200);
  assert.equal((await platform.call("POST", `/v1/capsules/${id}/resume`, { key })).status, 200);
  host.diskBytes.clear();
  // A measurement may be under way that began before.
  await eventually("what the guest deleted counts no longer", async () => {
    platform.clock.advance(2000);
    return (await checkpoint(id)).status === 201;
  });
  for (const one of [id, paused]) await destroy(one);
});

test("files of a replaced template count while a capsule uses them", async () => {
  const created = host.createSnapshot.bind(host);
  host.createSnapshot = async (...request) => ({ ...(await created(...request)), sizeBytes: 1000 * MIB });
  host.deleteSnapshot = async () => await Promise.reject(new Error("a capsule uses it"));
  const id = await create();
  await limit({ max_storage_mb: 2100 });
  assert.equal((await snapshot(id, "grown")).status, 201);
  assert.equal((await snapshot(id, "grown", "?overwrite=true")).status, 201);
  assertExceeded(await snapshot(id, "grown", "?overwrite=true"), /MiB of storage/);
  await destroy(id);
});

test("snapshots at once cannot make more templates than the team may have", async () => {
  await limit({ max_storage_mb: 1_000_000 });
  const before = await database.db.selectFrom("templates").select("id").execute();
  await limit({ max_templates: before.length + 1 });
  const ids = await Promise.all([create(), create(), create(), create()]);
  const answers = await Promise.all(ids.map((id, n) => snapshot(id, `at-once-${n}`)));
  assert.equal(answers.filter(({ status }) => status === 201).length, 1);
  await limit({ max_templates: 100 });
  await Promise.all(ids.map(destroy));
});

test("what a failed capsule left on its host counts until it is removed", async () => {
  const id = await create();
  host.diskBytes.set(id, 5000 * MIB);
  await limit({ max_storage_mb: 4000 });
  host.report(id, { state: "failed", problem: "its machine died" });
  platform.clock.advance(16_000);
  const wanted = { key, body: {} };
  await eventually(
    "it counts",
    async () => {
      const answer = await platform.call("POST", "/v1/capsules", wanted);
      if (answer.status === 201) await destroy(String(answer.body["id"]));
      return reasonOf(answer) === "quota_exceeded";
    },
    { timeoutMs: 20_000 },
  );
  host.diskBytes.clear();
  await destroy(id);
});

test("a stalled capsule is an event, and so is that it continues", async () => {
  const id = await create();
  const types = async (): Promise<readonly string[]> =>
    (
      await database.db
        .selectFrom("events")
        .select("type")
        .where("resource_id", "=", parseId("capsule", id))
        .orderBy("id")
        .execute()
    ).map(({ type }) => type);
  host.report(id, { problem: "the capsule waits" });
  await eventually("it is stalled", async () => (await types()).at(-1) === "capsule.stalled");
  host.report(id, {});
  await eventually("it continues", async () => (await types()).at(-1) === "capsule.continued");
  await destroy(id);
});

test("a layer that capsules of one team share is counted once, and once for each other team", () => {
  const id = (digit: number): string => `cl-${String(digit).repeat(25)}`;
  const capsules = [1, 2, 3].map((digit) => ({
    id: id(digit),
    bytes: 1,
    checkpoints: 0,
    layers: ["a", "b"],
  }));
  const layers = [
    { id: "a", bytes: 100 },
    { id: "b", bytes: 10 },
  ];
  const teams = new Map(
    [1, 2, 3].map((digit) => [parseId("capsule", id(digit)), digit === 3 ? "other" : "team"]),
  );
  assert.deepEqual(
    shareOut({ capsules, layers }, teams).map(({ bytes }) => bytes),
    [111, 1, 111],
  );
});
