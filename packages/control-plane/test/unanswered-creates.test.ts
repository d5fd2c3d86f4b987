import assert from "node:assert/strict";
import { after, test } from "node:test";
import { parseId, WrennError } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { openLeavingClients } from "./support/leaving-clients.ts";
import { reasonOf } from "./support/test-platform.ts";
import type { Answer } from "./support/test-platform.ts";

/* Capsules whose clients leave before they are answered. */

const lab = await openLeavingClients();
const EARLY_MS = 1000;
const early = await openLeavingClients({ createAnswerMs: EARLY_MS });
const {
  host,
  platform,
  db,
  call,
  create,
  send,
  asked,
  rowOf,
  unanswered,
  left,
  live,
  gone,
  eventsOf,
  auditOf,
  arrived,
} = lab;
after(async () => {
  await lab.close();
  await early.close();
});

const reason = "the client left before its answer";

test("an answered capsule stays, and nothing is remembered of its client", async () => {
  const { status, body } = await create();
  assert.equal(status, 201);
  await eventually("the answer is recorded", async () => (await unanswered()) === 0);
  platform.clock.advance(3_600_000);
  await eventually("the hosts are looked at again", async () => (await live()).includes(String(body["id"])));
  await call("DELETE", `/v1/capsules/${String(body["id"])}`);
});

test("a client that leaves before its capsule is reserved leaves nothing", async () => {
  for (const ms of [0, 1, 3]) {
    const outgoing = send("/v1/capsules");
    await new Promise((resolve) => setTimeout(resolve, ms));
    outgoing.destroy();
  }
  await eventually("nothing is left", async () => {
    return (await live()).length === 0 && (await unanswered()) === 0 && host.capsules.size === 0;
  });
});

test("the operation of a create that was aborted ends only when its capsule is recorded as destroyed", async () => {
  host.isSlow = true;
  const outgoing = send("/v1/capsules");
  const id = await asked();
  const uuid = parseId("capsule", id);
  await db.transaction().execute(async (trx) => {
    await trx
      .selectFrom("unanswered_creates")
      .selectAll()
      .where("sandbox_id", "=", uuid)
      .forUpdate()
      .execute();
    outgoing.destroy();
    await eventually("the host has ended it", () => host.creating.size === 0);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const operations = await db
      .selectFrom("operations")
      .select("state")
      .where("sandbox_id", "=", uuid)
      .execute();
    assert.deepEqual(operations, [{ state: "running" }]);
  });
  await gone(id);
});

test("the create of a client that leaves is aborted on the host; audit and events report it", async () => {
  host.isSlow = true;
  const outgoing = send("/v1/capsules");
  const id = await asked();
  outgoing.destroy();
  await gone(id);
  await eventually("the host has ended it", () => host.creating.size === 0);
  assert.deepEqual(await eventsOf(id), ["capsule.destroyed by system"]);
  assert.deepEqual(await auditOf(id), [
    { action: "destroy", status: "warning", template: "minimal", reason },
  ]);
  const { problem, started_at: startedAt } = await rowOf(id);
  assert.deepEqual([problem, startedAt], [reason, null]);
  const operations = await eventually("its operations are over", async () => {
    const rows = await db
      .selectFrom("operations")
      .select(["kind", "state"])
      .where("sandbox_id", "=", parseId("capsule", id))
      .orderBy("created_at")
      .execute();
    return rows.every(({ state }) => state !== "running") && rows;
  });
  assert.deepEqual(operations, [
    { kind: "create", state: "failed" },
    { kind: "destroy", state: "succeeded" },
  ]);
  assert.deepEqual([await live(), await unanswered()], [[], 0]);
});

test("a capsule that is complete when its client leaves is destroyed", async () => {
  host.isSlow = true;
  host.heedsAborts = false;
  const outgoing = send("/v1/capsules");
  const id = await asked();
  outgoing.destroy();
  await eventually("its row is over", async () => (await rowOf(id)).status === "stopped");
  host.creating.get(id)?.();
  await eventually("it is made, and destroyed", () => host.creating.size === 0 && !host.capsules.has(id));
  await gone(id);
  assert.deepEqual(await live(), []);
  host.heedsAborts = true;
});

test("an early answer keeps the capsule of a client that leaves after it", async () => {
  const { host, create, unanswered, rowOf, live, call } = early;
  host.isSlow = true;
  const { status, body } = await create();
  assert.deepEqual([status, body["status"]], [201, "pending"]);
  const id = String(body["id"]);
  await eventually("the answer is recorded", async () => (await unanswered()) === 0);
  host.creating.get(id)?.();
  await eventually("it runs", async () => (await rowOf(id)).status === "running");
  assert.deepEqual(await live(), [id]);
  await call("DELETE", `/v1/capsules/${id}`);
});

test("destroying a capsule that is still being made ends its creation on the host", async () => {
  const { host, create, call, rowOf, live, eventsOf } = early;
  host.isSlow = true;
  const id = String((await create()).body["id"]);
  assert.equal(host.creating.size, 1);
  assert.equal((await call("DELETE", `/v1/capsules/${id}`)).status, 204);
  await eventually("the host has ended it", () => host.creating.size === 0);
  assert.deepEqual([(await rowOf(id)).status, await live()], ["stopped", []]);
  assert.deepEqual(await eventsOf(id), ["capsule.destroyed by api_key"]);
});

test("an early answer is given in time from the arrival of the request, whatever took long before", async () => {
  const { host, create, call } = early;
  host.isSlow = true;
  const before = performance.now();
  const slowList = host.listTemplates.bind(host);
  host.listTemplates = async () => {
    await new Promise((resolve) => setTimeout(resolve, EARLY_MS * 0.9));
    return await slowList();
  };
  const { status, body } = await create();
  const took = performance.now() - before;
  host.listTemplates = slowList;
  assert.deepEqual([status, body["status"]], [201, "pending"]);
  assert.ok(took < EARLY_MS * 1.7, `answered after ${took} ms`);
  host.creating.get(String(body["id"]))?.();
  await call("DELETE", `/v1/capsules/${String(body["id"])}`);
});

test("a request with a key gets its capsule when it is repeated within 60 seconds", async () => {
  host.isSlow = true;
  const key = { "idempotency-key": "repeated" };
  const outgoing = send("/v1/capsules", key);
  const id = await asked();
  outgoing.destroy();
  await left();
  host.creating.get(id)?.();
  await eventually("it runs", async () => (await rowOf(id)).status === "running");
  platform.clock.advance(59_000);
  const again = await create(key);
  assert.deepEqual([again.status, again.body["id"], again.body["status"]], [201, id, "running"]);
  await eventually("the answer is recorded", async () => (await unanswered()) === 0);
  platform.clock.advance(120_000);
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.deepEqual(await live(), [id]);
  await call("DELETE", `/v1/capsules/${id}`);
});

test("a request with a key that is not repeated leaves no capsule after 60 seconds, and the key makes another", async () => {
  const key = { "idempotency-key": "not-repeated" };
  host.isSlow = true;
  const outgoing = send("/v1/capsules", key);
  const id = await asked();
  outgoing.destroy();
  await left();
  host.creating.get(id)?.();
  host.isSlow = false;
  platform.clock.advance(55_000);
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.deepEqual(await live(), [id], "it is kept for the repetition");
  platform.clock.advance(6000);
  await gone(id);
  assert.deepEqual(await eventsOf(id), ["capsule.created by api_key", "capsule.destroyed by system"]);
  const created = { action: "create", status: "success", template: "minimal" };
  const destroyed = { action: "destroy", status: "warning", template: "minimal", reason };
  assert.deepEqual(await auditOf(id), [created, destroyed]);
  const again = await create(key);
  assert.equal(again.status, 201);
  assert.notEqual(again.body["id"], id);
  await call("DELETE", `/v1/capsules/${String(again.body["id"])}`);
});

test("a capsule whose host does not answer when it is due is over at once, and destroyed when the host is back", async () => {
  host.isSlow = true;
  const outgoing = send("/v1/capsules", { "idempotency-key": "cut" });
  const id = await asked();
  outgoing.destroy();
  await left();
  host.creating.get(id)?.();
  host.isSlow = false;
  await eventually("it runs", async () => (await rowOf(id)).status === "running");
  host.cut = true;
  platform.clock.advance(61_000);
  await eventually("its row is over", async () => (await rowOf(id)).status === "stopped");
  assert.ok(host.capsules.has(id));
  host.cut = false;
  await gone(id);
});

test("a capsule that was used stays, although its client left", async () => {
  const uses: readonly (readonly [string, (id: string) => Promise<Answer>])[] = [
    ["a ping", (id) => call("POST", `/v1/capsules/${id}/ping`)],
    ["a pause", (id) => call("POST", `/v1/capsules/${id}/pause`)],
    ["a fork", (id) => call("POST", `/v1/capsules/${id}/fork`, { body: {} })],
    ["a file", (id) => call("POST", `/v1/capsules/${id}/files/list`, { body: { path: "/" } })],
  ];
  for (const [what, use] of uses) {
    host.isSlow = true;
    const outgoing = send("/v1/capsules", { "idempotency-key": `used ${what}`.replaceAll(" ", "-") });
    const id = await asked();
    outgoing.destroy();
    host.creating.get(id)?.();
    host.isSlow = false;
    await eventually("it runs", async () => (await rowOf(id)).status === "running");
    await left();
    const { status } = await use(id);
    assert.ok(status < 300, `${what}: ${status}`);
    platform.clock.advance(61_000);
    await eventually("it was looked at", async () => (await unanswered()) === 0);
    assert.ok((await live()).includes(id), what);
    for (const left of await live()) await call("DELETE", `/v1/capsules/${left}`);
  }
});

test("a key whose capsule failed before any client had an answer makes another", async () => {
  host.isSlow = true;
  const key = { "idempotency-key": "interrupted" };
  const outgoing = send("/v1/capsules", key);
  const id = await asked();
  outgoing.destroy();
  await left();
  host.refusal = new WrennError("disk_full", { path: "/somewhere" });
  host.creating.get(id)?.();
  await eventually("it failed", async () => (await rowOf(id)).status === "error");
  host.refusal = undefined;
  host.isSlow = false;
  const again = await create(key);
  assert.equal(again.status, 201);
  assert.notEqual(again.body["id"], id);
  assert.equal((await create(key)).body["id"], again.body["id"]);
  await call("DELETE", `/v1/capsules/${String(again.body["id"])}`);
  platform.clock.advance(61_000);
  await eventually("the first is settled", async () => (await unanswered()) === 0);
});

test("a key whose capsule was destroyed makes another; another request with it is still refused", async () => {
  host.isSlow = false;
  const key = { "idempotency-key": "destroyed" };
  const first = await create(key);
  assert.equal((await create(key)).body["id"], first.body["id"]);
  await call("DELETE", `/v1/capsules/${String(first.body["id"])}`);
  assert.equal(reasonOf(await create(key, { memory_mb: 256 })), "idempotency_conflict");
  const answers = await Promise.all(Array.from({ length: 5 }, () => create(key)));
  const ids = new Set(answers.map(({ body }) => body["id"]));
  assert.equal(ids.size, 1, "one for all that repeat it");
  assert.ok(!ids.has(first.body["id"]));
  assert.deepEqual(await live(), [...ids]);
  await call("DELETE", `/v1/capsules/${String([...ids][0])}`);
});

test("of two clients with one key, one that is answered is enough for the capsule to stay", async () => {
  host.isSlow = true;
  const key = { "idempotency-key": "two" };
  const leaving = send("/v1/capsules", key);
  const id = await asked();
  const staying = create(key);
  await arrived();
  leaving.destroy();
  host.creating.get(id)?.();
  assert.equal((await staying).body["id"], id);
  await eventually("the answer is recorded", async () => (await unanswered()) === 0);
  platform.clock.advance(61_000);
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.deepEqual(await live(), [id]);
  await call("DELETE", `/v1/capsules/${id}`);
});

test("of two clients with one key, one that leaves does not end the wait of the other", async () => {
  host.isSlow = true;
  const key = { "idempotency-key": "one-waits" };
  const leaving = send("/v1/capsules", key);
  const id = await asked();
  const answer = create(key);
  await arrived();
  leaving.destroy();
  const due: (Date | null)[] = [];
  for (const until = performance.now() + 400; performance.now() < until;) {
    const rows = await db.selectFrom("unanswered_creates").select("due_at").execute();
    due.push(...rows.map((row) => row.due_at));
  }
  assert.ok(due.length > 0);
  assert.deepEqual([...new Set(due)], [null]);
  host.creating.get(id)?.();
  assert.equal((await answer).body["id"], id);
  await call("DELETE", `/v1/capsules/${id}`);
});

test("a client that a control plane did not answer before it ended left: its capsule is kept 60 seconds", async () => {
  host.isSlow = false;
  const unansweredId = String((await create()).body["id"]);
  const answeringId = String((await create()).body["id"]);
  await eventually("the answers are recorded", async () => (await unanswered()) === 0);
  const of = (id: string, answering: boolean) => ({
    sandbox_id: parseId("capsule", id),
    // No such control plane is alive.
    owner: "11111111-1111-4111-8111-111111111111",
    answering,
    due_at: null,
    created_at: new Date(platform.clock.now()),
  });
  await db
    .insertInto("unanswered_creates")
    .values([of(unansweredId, false), of(answeringId, true)])
    .execute();
  await eventually("they are settled", async () => {
    const rows = await db.selectFrom("unanswered_creates").selectAll().execute();
    return rows.length === 1 && rows.every((row) => row.due_at !== null);
  });
  assert.equal((await live()).length, 2);
  platform.clock.advance(61_000);
  await gone(unansweredId);
  assert.deepEqual(await live(), [answeringId], "one whose answer was being sent may be known to its client");
  await call("DELETE", `/v1/capsules/${answeringId}`);
});

test("a capsule that its host started after its creation had failed is destroyed there", async () => {
  host.isSlow = false;
  const id = String((await create()).body["id"]);
  await db
    .updateTable("sandboxes")
    .set({ status: "error", started_at: null })
    .where("id", "=", parseId("capsule", id))
    .execute();
  await eventually("the host has dropped it", () => !host.capsules.has(id));
});
