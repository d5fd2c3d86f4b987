import assert from "node:assert/strict";
import { after, test } from "node:test";
import { FakeHostAgent } from "./support/fake-host-agent.ts";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";

/** What the host was asked to make and to forget. */
const made: string[] = [];
const forgotten: string[] = [];
const together = Promise.withResolvers<void>();
const host = new FakeHostAgent();
host.createSnapshot = async (_id, key) => {
  made.push(key);
  // Both have found the name free when either is put under it.
  if (made.length === 2) together.resolve();
  await together.promise;
  return { name: key, sizeBytes: 1, vcpus: 1, memoryMib: 512 };
};
host.deleteSnapshot = async (key) => {
  forgotten.push(key);
};
const platform = await TestPlatform.start({ host });
after(() => platform[Symbol.asyncDispose]());
const { apiKey: key } = platform;

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
  assert.equal(forgotten.length, 1);
  assert.ok(made.includes(forgotten[0] ?? ""));
});

test("a snapshot that is to replace the one of its name does", async () => {
  const capsule = await platform.call("POST", "/v1/capsules", { key, body: {} });
  const body = { sandbox_id: capsule.body["id"], name: "same" };
  const replaced = await platform.call("POST", "/v1/snapshots?overwrite=true", { key, body });
  assert.equal(replaced.status, 201, JSON.stringify(replaced.body));
  assert.equal(forgotten.length, 2);
});
