import assert from "node:assert/strict";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());
const { apiKey: key, host } = platform;

async function create(body: object = {}): Promise<string> {
  const answer = await platform.call("POST", "/v1/capsules", { key, body });
  assert.equal(answer.status, 201);
  return String(answer.body["id"]);
}

const verb = (id: string, name: string, body?: object, headers: Record<string, string> = {}) =>
  platform.call("POST", `/v1/capsules/${id}/${name}`, { key, headers, ...(body ? { body } : {}) });

async function shown(id: string): Promise<readonly unknown[]> {
  const { body } = await platform.call("GET", `/v1/capsules/${id}`, { key });
  return [body["status"], body["memory_kept"], body["disk_at_boot"]];
}

test("a pause keeps the memory unless it is asked not to, and the capsule shows what was kept", async () => {
  const id = await create();
  assert.deepEqual(await shown(id), ["running", undefined, undefined]);
  for (const body of [undefined, {}, { memory: true }]) {
    assert.equal((await verb(id, "pause", body)).body["memory_kept"], true);
    assert.deepEqual(await shown(id), ["paused", true, undefined]);
    assert.equal((await verb(id, "resume", body)).status, 200);
    assert.deepEqual(await shown(id), ["running", undefined, undefined]);
  }
  assert.equal((await verb(id, "pause", { memory: false })).body["memory_kept"], false);
  assert.deepEqual(await shown(id), ["paused", false, undefined]);
  const moments = await platform.call("GET", `/v1/capsules/${id}/checkpoints`, { key });
  const [moment] = moments.body as unknown as Record<string, unknown>[];
  assert.deepEqual([moment?.["kind"], moment?.["disk_only"], moment?.["memory_bytes"]], ["pause", true, 0]);
  assert.equal((await verb(id, "resume")).body["disk_at_boot"], "clean");
  assert.deepEqual(await shown(id), ["running", undefined, "clean"]);
});

test("a capsule that was paused with its memory is booted by a resume without it", async () => {
  const id = await create();
  await verb(id, "pause");
  host.diskAtBoot = "checked";
  assert.equal((await verb(id, "resume", { memory: false })).body["disk_at_boot"], "checked");
  host.diskAtBoot = "clean";
  assert.deepEqual(await shown(id), ["running", undefined, "checked"]);
});

test("a pause without memory needs a running capsule, a resume a paused one, and memory is true or false", async () => {
  const id = await create();
  assert.equal(reasonOf(await verb(id, "resume", { memory: false })), "capsule_not_paused");
  await verb(id, "pause", { memory: false });
  assert.equal(reasonOf(await verb(id, "pause", { memory: false })), "capsule_not_running");
  for (const name of ["pause", "resume"]) {
    const answer = await verb(id, name, { memory: "no" });
    assert.deepEqual([answer.status, reasonOf(answer)], [400, "invalid_field"]);
    assert.match(JSON.stringify(answer.body), /memory/);
    const unknown = await verb(id, name, { disk: true }, { Prefer: "handling=strict" });
    assert.equal(unknown.status, 400);
    assert.match(JSON.stringify(unknown.body), /disk/);
  }
  assert.deepEqual(await shown(id), ["paused", false, undefined]);
});

test("forks of a capsule that was paused without its memory run; one that kept its memory is refused", async () => {
  const id = await create();
  await verb(id, "pause", { memory: false });
  const forked = await verb(id, "fork", { count: 2 });
  assert.equal(forked.status, 201);
  const children = forked.body as unknown as Record<string, unknown>[];
  assert.deepEqual(
    children.map((child) => [child["status"], child["disk_at_boot"]]),
    [
      ["running", "clean"],
      ["running", "clean"],
    ],
  );
  assert.deepEqual(await shown(id), ["paused", false, undefined]);
  await verb(id, "resume");
  await verb(id, "pause");
  assert.equal(reasonOf(await verb(id, "fork", { count: 1 })), "capsule_not_running");
});

test("a pause or a boot that only its host knows of is recorded with what it kept", async () => {
  const id = await create();
  host.report(id, { state: "paused", kept: "disk" });
  await eventually("the pause is recorded", async () => (await shown(id))[1] === false);
  const status = host.capsules.get(id) ?? assert.fail();
  const { kept: _kept, ...running } = status;
  host.capsules.set(id, { ...running, state: "running", diskAtBoot: "checked" });
  await eventually("the boot is recorded", async () => (await shown(id))[2] === "checked");
});

test("a capsule that was paused without its memory counts no memory, and one that kept it half", async () => {
  const used = async (): Promise<number> => {
    const { body } = await platform.call("GET", "/v1/capsules/stats?range=5m", { key });
    const { memory_mb_reserved: memory } = body["current"] as { memory_mb_reserved: number };
    return memory;
  };
  const before = await used();
  const id = await create({ memory_mb: 1024 });
  assert.equal((await used()) - before, 1024);
  await verb(id, "pause");
  assert.equal((await used()) - before, 512);
  await verb(id, "resume");
  await verb(id, "pause", { memory: false });
  assert.equal((await used()) - before, 0);
});
