import assert from "node:assert/strict";
import { after, test } from "node:test";
import { parseId } from "@wrenn/core";
import { FakeHostAgent } from "@wrenn/protocol/testing";
import { shareOut } from "../src/hosts/storage-meter.ts";
import { TestPlatform } from "./support/test-platform.ts";

/* Clients of one team do everything that stores something, at once and in any order. The quota holds at every moment. */

const MIB = 2 ** 20;
const MEMORY_MIB = 256;
const QUOTA_MIB = 1500;
const MOST_CHECKPOINTS = 3;
/** Not a time: a slow machine does as much as a quick one. */
const OPERATIONS = 250;
const CLIENTS = 8;
const long = process.env["WRENN_TEST_LONG"] === "1";
const seconds = long ? Number(process.env["WRENN_HOSTILE_SECONDS"] ?? 600) : 0;
const seed = Number(process.env["WRENN_HOSTILE_SEED"] ?? Date.now() % 2 ** 31);

/** Every moment that it saves is as large as the memory of its capsule; operations take a moment. */
class HungryHostAgent extends FakeHostAgent {
  override savedBytes = MEMORY_MIB * MIB;

  override async checkpointCapsule(...request: Parameters<FakeHostAgent["checkpointCapsule"]>) {
    // Between the check of the quota and the moment that is saved, and before the answer.
    await new Promise((resolve) => setTimeout(resolve, random(20)));
    const facts = await super.checkpointCapsule(...request);
    await new Promise((resolve) => setTimeout(resolve, random(20)));
    return facts;
  }

  override async createSnapshot(...request: Parameters<FakeHostAgent["createSnapshot"]>) {
    await new Promise((resolve) => setTimeout(resolve, random(20)));
    return { ...(await super.createSnapshot(...request)), sizeBytes: MEMORY_MIB * MIB };
  }
}

let state = seed;
function random(below: number): number {
  state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7f_ff_ff_ff;
  return (state >>> 8) % below;
}

const host = new HungryHostAgent();
const platform = await TestPlatform.start({ host });
after(() => platform[Symbol.asyncDispose]());
const { apiKey: key, database } = platform;

/** What the team has, as it is and not as it was reported. */
async function truth(): Promise<{ readonly mib: number; readonly checkpoints: number }> {
  const storage = await host.storage();
  const reported = shareOut(
    storage,
    new Map(storage.capsules.map(({ id }) => [parseId("capsule", id), "team"])),
  );
  const templates = await database.db.selectFrom("templates").select("size_bytes").execute();
  const pauses = await Promise.all([...host.capsules.keys()].map((id) => host.listCheckpoints(id)));
  // A pause is never refused: what it saves may exceed the quota.
  const paused = pauses.flat().filter(({ kind }) => kind === "pause").length * (MEMORY_MIB * MIB + 4096);
  const bytes = reported.reduce((sum, one) => sum + one.bytes, 0) - paused;
  return {
    mib: (bytes + templates.reduce((sum, { size_bytes: size }) => sum + Number(size), 0)) / MIB,
    checkpoints: storage.capsules.reduce((sum, one) => sum + one.checkpoints, 0),
  };
}

const call = (method: string, path: string, body?: unknown) => platform.call(method, path, { key, body });

async function act(): Promise<number> {
  const ids = [...host.capsules.keys()];
  const id = ids[random(ids.length)];
  if (ids.length < 3 || id === undefined)
    return (await call("POST", "/v1/capsules", { memory_mb: MEMORY_MIB })).status;
  const checkpoint = (await host.listCheckpoints(id)).find(({ kind }) => kind === "checkpoint");
  const name = `t${random(2)}`;
  const save = () => call("POST", `/v1/capsules/${id}/checkpoints`, {});
  const actions = [
    ...Array.from({ length: 6 }, () => save),
    () => call("DELETE", `/v1/capsules/${id}/checkpoints/${checkpoint?.id ?? "g0"}`),
    () => call("DELETE", `/v1/capsules/${id}/checkpoints/${checkpoint?.id ?? "g0"}`),
    () => call("POST", `/v1/capsules/${id}/fork`, { count: 2 }),
    () => call("POST", `/v1/snapshots?overwrite=true`, { sandbox_id: id, name }),
    () => call("POST", `/v1/capsules/${id}/resume`),
    () => call("POST", `/v1/capsules/${id}/resume`),
    () => call("DELETE", `/v1/snapshots/${name}`),
    ...(random(3) === 0 ? [() => call("DELETE", `/v1/capsules/${id}`)] : []),
  ];
  const answer = await (actions[random(actions.length)] ?? assert.fail())();
  assert.ok(answer.status < 500, JSON.stringify(answer.body));
  return answer.status;
}

test(`the quotas of storage hold at every moment (seed ${seed})`, async () => {
  await database.db
    .updateTable("teams")
    .set({ max_storage_mb: QUOTA_MIB, max_checkpoints: MOST_CHECKPOINTS, max_capsules: 6 })
    .execute();
  const until = performance.now() + seconds * 1000;
  let operations = 0;
  const statuses = new Map<number, number>();
  const client = async (): Promise<void> => {
    while (operations++ < OPERATIONS || performance.now() < until) {
      const status = await act();
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      const { mib, checkpoints } = await truth();
      assert.ok(mib <= QUOTA_MIB, `${mib} MiB are stored`);
      assert.ok(checkpoints <= MOST_CHECKPOINTS, `there are ${checkpoints} checkpoints`);
      // Reports come at any moment.
      if (random(10) === 0) platform.clock.advance(16_000);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  const counts = JSON.stringify([...statuses]);
  assert.ok((statuses.get(201) ?? 0) > 0 && (statuses.get(403) ?? 0) > 0, counts);
});
