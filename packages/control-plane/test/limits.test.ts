import assert from "node:assert/strict";
import { after, test } from "node:test";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";
import type { Answer } from "./support/test-platform.ts";

/* On both databases: requests that come at once share what a team may have. */

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());
const key = platform.apiKey;

const create = (body: object = {}, headers: Record<string, string> = {}): Promise<Answer> =>
  platform.call("POST", "/v1/capsules", { key, body, headers });
const destroy = (answer: Answer) =>
  platform.call("DELETE", `/v1/capsules/${String(answer.body["id"])}`, { key });

test("a create with a key that was used gives the same capsule, also when both come at once", async () => {
  const once = { "idempotency-key": "first" };
  const [one, two] = await Promise.all([create({}, once), create({}, once)]);
  assert.deepEqual([one.status, two.status], [201, 201]);
  assert.equal(one.body["id"], two.body["id"]);
  const later = await create({}, once);
  assert.equal(later.body["id"], one.body["id"]);
  assert.equal(platform.host.capsules.size, 1);
  const other = await create({ memory_mb: 256 }, once);
  assert.deepEqual([other.status, reasonOf(other)], [409, "idempotency_conflict"]);
  const bad = await create({}, { "idempotency-key": "with space" });
  assert.deepEqual([bad.status, reasonOf(bad)], [400, "invalid_field"]);
  await destroy(one);
});

test("a team cannot have more than its quota, however many ask at once", async () => {
  await platform.database.db.updateTable("teams").set({ max_capsules: 3 }).execute();
  const answers = await Promise.all(Array.from({ length: 8 }, () => create()));
  const made = answers.filter(({ status }) => status === 201);
  assert.equal(made.length, 3);
  for (const refused of answers.filter(({ status }) => status !== 201)) {
    assert.deepEqual([refused.status, reasonOf(refused)], [403, "quota_exceeded"]);
    assert.match(JSON.stringify(refused.body), /may have 3 capsules/);
  }
  await Promise.all(made.map(destroy));
  assert.equal((await create()).status, 201);
  await platform.database.db.updateTable("teams").set({ max_capsules: 100, max_memory_mb: 1000 }).execute();
  assert.equal(reasonOf(await create({ memory_mb: 512 })), "quota_exceeded");
  await platform.database.db.updateTable("teams").set({ max_memory_mb: 262_144 }).execute();
});

test("who created and destroyed a capsule stands in the audit log", async () => {
  const person = await platform.person("auditor");
  const made = await platform.call("POST", "/v1/capsules", { token: person.token, body: {} });
  const id = String(made.body["id"]);
  await platform.call("DELETE", `/v1/capsules/${id}`, { token: person.token });
  const { body } = await platform.call("GET", "/v1/audit-logs", { token: person.token });
  const items = body["items"] as { resource_id?: string; action: string; actor_name?: string }[];
  assert.deepEqual(
    items.filter(({ resource_id: of }) => of === id).map(({ action, actor_name: who }) => [action, who]),
    [
      ["destroy", "auditor"],
      ["create", "auditor"],
    ],
  );
});

test("stats and usage tell what a team has and had", async () => {
  const before = await platform.call("GET", "/v1/capsules/stats", { key });
  const { running_count: running } = before.body["current"] as { running_count: number };
  const made = await create({ vcpus: 2, memory_mb: 1024 });
  await platform.sampleUsage();
  const { body, status } = await platform.call("GET", "/v1/capsules/stats?range=5m", { key });
  assert.equal(status, 200);
  const current = body["current"] as { running_count: number; vcpus_reserved: number };
  assert.equal(current.running_count, running + 1);
  assert.ok(current.vcpus_reserved >= 2);
  const series = body["series"] as { running: number[]; labels: string[] };
  assert.equal(series.running.at(-1), current.running_count);
  assert.match(series.labels.at(-1) ?? "", /^\d{4}-\d{2}-\d{2}T/);
  assert.ok((body["peaks"] as { vcpus: number }).vcpus >= current.vcpus_reserved);

  const usage = await platform.call("GET", "/v1/capsules/usage", { key });
  const points = usage.body["points"] as { date: string; cpu_minutes: number }[];
  assert.equal(points.at(-1)?.date, new Date(platform.clock.now()).toISOString().slice(0, 10));
  // One sample stands for ten seconds.
  assert.ok((points.at(-1)?.cpu_minutes ?? 0) >= (current.vcpus_reserved * 10) / 60 - 1e-6);
  for (const query of [
    "from=yesterday",
    "from=2026-02-30",
    "from=2026-03-02&to=2026-03-01",
    "from=2025-01-01&to=2026-01-01",
  ]) {
    const refused = await platform.call("GET", `/v1/capsules/usage?${query}`, { key });
    assert.deepEqual([query, refused.status, reasonOf(refused)], [query, 400, "invalid_field"]);
  }
  await destroy(made);
});

test("/metrics speaks Prometheus, counts requests by route, and names no id", async () => {
  const made = await create();
  const id = String(made.body["id"]);
  await platform.call("GET", `/v1/capsules/${id}`, { key });
  const text = await platform.text("/metrics");
  assert.match(text, /^wrenn_capsules\{status="running"\} [1-9]/m);
  assert.match(
    text,
    /^wrenn_http_requests_total\{method="GET",route="\/v1\/capsules\/:id",status="200"\} [1-9]/m,
  );
  assert.match(text, /^wrenn_http_request_seconds_bucket\{le="0.005"/m);
  assert.ok(!text.includes(id));
  await destroy(made);
});
