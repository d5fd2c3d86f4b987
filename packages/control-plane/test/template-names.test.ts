import assert from "node:assert/strict";
import { after, test } from "node:test";
import { WrennError } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { sql } from "kysely";
import { FakeHostAgent } from "@wrenn/protocol/testing";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";

/** What the host was asked to make and to forget, and what capsules use. */
const made: string[] = [];
const forgotten: string[] = [];
const used = new Set<string>();
let isFull = false;
const together = Promise.withResolvers<void>();
const host = new FakeHostAgent();
host.createSnapshot = async (_id, { key }) => {
  made.push(key);
  if (isFull) throw new WrennError("disk_full", { path: "/state" });
  // Both have found the name free when either is put under it.
  if (made.length === 2) together.resolve();
  await together.promise;
  return { name: key, sizeBytes: 1, vcpus: 1, memoryMib: 512 };
};
host.deleteSnapshot = async (key) => {
  if (used.has(key)) throw new WrennError("template_in_use", { dependants: "somebody" });
  forgotten.push(key);
};
const platform = await TestPlatform.start({ host });
after(() => platform[Symbol.asyncDispose]());
const { apiKey: key } = platform;

/** Waits until the host has forgotten a template, and nobody has to tell it any more. */
async function forgets(hostKey: string): Promise<void> {
  await eventually(
    `${hostKey} is forgotten`,
    async () => forgotten.includes(hostKey) && !(hostKey in (await discarded())),
  );
}

/** Keys of what is to be forgotten, with how soon in minutes. */
async function discarded(): Promise<Record<string, number>> {
  const rows = await platform.database.db
    .selectFrom("discarded_templates")
    .select(["host_key", sql<number>`(extract(epoch from due_at - now()) / 60)::float8`.as("minutes")])
    .execute();
  return Object.fromEntries(rows.map((row) => [row.host_key, Math.ceil(row.minutes)]));
}

/** As if the time for it had come. */
async function due(): Promise<void> {
  await platform.database.db
    .updateTable("discarded_templates")
    .set({ due_at: new Date(0) })
    .execute();
}

test("of two snapshots that take the same free name at once one has it, and the host forgets the other", async () => {
  const take = async () => {
    const capsule = await platform.call("POST", "/v1/capsules", { key, body: {} });
    const body = { sandbox_id: capsule.body["id"], name: "same" };
    return await platform.call("POST", "/v1/snapshots", { key, body });
  };
  const answers = await Promise.all([take(), take()]);
  assert.deepEqual(
    answers.map(({ status }) => status).toSorted((a, b) => a - b),
    [201, 409],
  );
  const refused = answers.find(({ status }) => status === 409);
  assert.equal(refused && reasonOf(refused), "template_name_taken");
  const named = (await platform.database.db.selectFrom("templates").select("host_key").execute())[0]
    ?.host_key;
  await forgets(made.find((one) => one !== named) ?? assert.fail());
  assert.deepEqual([forgotten.length, await discarded()], [1, {}]);
});

test("a snapshot that is to replace the one of its name does; the old files go when nobody uses them", async () => {
  const old = made.find((one) => !forgotten.includes(one)) ?? assert.fail();
  const capsule = await platform.call("POST", "/v1/capsules", { key, body: {} });
  const body = { sandbox_id: capsule.body["id"], name: "same" };
  const replaced = await platform.call("POST", "/v1/snapshots?overwrite=true", { key, body });
  assert.equal(replaced.status, 201, JSON.stringify(replaced.body));
  assert.deepEqual(await discarded(), { [old]: 1 }, "capsules may still be on their way to it");
  used.add(old);
  await due();
  await eventually("it is tried again later", async () => (await discarded())[old] === 1);
  assert.equal(forgotten.length, 1);
  used.clear();
  await due();
  await forgets(old);
  assert.deepEqual(await discarded(), {});
});

test("files of a snapshot that failed, or whose control plane died, are forgotten when it cannot come to its end any more", async () => {
  const capsule = await platform.call("POST", "/v1/capsules", { key, body: {} });
  const body = { sandbox_id: capsule.body["id"], name: "other" };
  isFull = true;
  const failed = await platform.call("POST", "/v1/snapshots", { key, body });
  assert.equal(reasonOf(failed), "disk_full");
  const last = made.at(-1) ?? assert.fail();
  assert.deepEqual(await discarded(), { [last]: 15 });
  await due();
  await forgets(last);
});

test("who has as many templates as may be can still replace one", async () => {
  isFull = false;
  await platform.database.db.updateTable("teams").set({ max_templates: 1 }).execute();
  const capsule = await platform.call("POST", "/v1/capsules", { key, body: {} });
  const take = async (name: string) =>
    await platform.call("POST", "/v1/snapshots?overwrite=true", {
      key,
      body: { sandbox_id: capsule.body["id"], name },
    });
  assert.equal(reasonOf(await take("third")), "quota_exceeded");
  assert.equal((await take("same")).status, 201);
});
