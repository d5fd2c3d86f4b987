import assert from "node:assert/strict";
import { after, test } from "node:test";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());
const { apiKey: key, database } = platform;

interface Quota {
  readonly used: number;
  readonly limit: number;
  readonly remedy: string;
}

async function quota(options: { key?: string; token?: string } = { key }): Promise<Record<string, Quota>> {
  const { status, body } = await platform.call("GET", "/v1/quota", options);
  assert.equal(status, 200, JSON.stringify(body));
  const { team_id: team, ...limits } = body as { team_id: string } & Record<string, Quota>;
  assert.match(team, /^team-/);
  return limits;
}
const usedOf = (limits: Record<string, Quota>): Record<string, number> =>
  Object.fromEntries(Object.entries(limits).map(([name, { used }]) => [name, used]));
const post = async (path: string, body: unknown = {}) => await platform.call("POST", path, { key, body });

test("the quota shows what a team uses, what it may use, and what helps at each limit", async () => {
  const empty = await quota();
  for (const [name, { limit, remedy }] of Object.entries(empty)) {
    assert.ok(limit > 0, name);
    assert.match(remedy, /^[A-Z].+\.$/, name);
  }
  const before = usedOf(empty);
  /** What each of these has more than at the beginning. */
  const added = async (...names: string[]): Promise<readonly number[]> => {
    const used = usedOf(await quota());
    return names.map((name) => (used[name] ?? 0) - (before[name] ?? 0));
  };
  const made = await post("/v1/capsules", { vcpus: 2, memory_mb: 256 });
  const id = String(made.body["id"]);
  const other = String((await post("/v1/capsules", { vcpus: 1, memory_mb: 512 })).body["id"]);
  assert.deepEqual(await added("capsules", "vcpus", "memory_mb"), [2, 3, 768]);
  await post(`/v1/capsules/${other}/pause`);
  assert.deepEqual(await added("capsules", "vcpus", "memory_mb"), [2, 2, 256], "paused capsules hold none");
  await post(`/v1/capsules/${id}/checkpoints`);
  assert.deepEqual(await added("checkpoints", "capsule_checkpoints"), [1, 1]);
  await post("/v1/snapshots", { sandbox_id: id, name: "made" });
  assert.deepEqual(await added("snapshots", "api_keys", "channels"), [1, 0, 0]);
  assert.ok(((await added("disk_mb"))[0] ?? 0) > 0);
});

test("a create is refused exactly when the quota says that there is no room", async () => {
  const { db } = database;
  const { capsules } = await quota();
  assert.ok(capsules);
  await db
    .updateTable("teams")
    .set({ max_capsules: capsules.used + 1 })
    .execute();
  const last = await post("/v1/capsules");
  assert.equal(last.status, 201);
  const full = (await quota())["capsules"];
  assert.equal(full?.used, full?.limit);
  const refused = await post("/v1/capsules");
  assert.deepEqual([refused.status, reasonOf(refused)], [403, "quota_exceeded"]);
  await platform.call("DELETE", `/v1/capsules/${String(last.body["id"])}`, { key });
  assert.equal((await quota())["capsules"]?.used, capsules.used);
});

test("the quota of another team is not shown, and without credentials none is", async () => {
  const person = await platform.person("quota");
  const theirs = await quota({ token: person.token });
  assert.deepEqual([theirs["capsules"]?.used, theirs["api_keys"]?.used], [0, 0]);
  assert.equal((await platform.call("GET", "/v1/quota")).status, 401);
});
