import assert from "node:assert/strict";
import { after, test } from "node:test";
import { abortable, DAY_MS, formatId, parseId, silentLogger, systemClock, systemRandom } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { retentionQueries } from "@wrenn/database";
import { FakeHostAgent } from "@wrenn/protocol/testing";
import { sql } from "kysely";
import { keepAll, Retention } from "../src/capsules/retention.ts";
import { TestPlatform } from "./support/test-platform.ts";

const HOUR_MS = 3_600_000;
/** Rules of the installation; the team's own come first. */
const platform = await TestPlatform.start({
  retention: { checkpoints: 0, checkpointDays: 10, pausedDays: 30 },
});
after(() => platform[Symbol.asyncDispose]());
const { apiKey: key, clock, database, host } = platform;
host.now = clock.now;

const call = async (method: string, path: string, body?: unknown) => {
  const answer = await platform.call(method, path, { key, body });
  assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
};
const create = async (): Promise<string> => String((await call("POST", "/v1/capsules", {}))["id"]);
const checkpoint = async (id: string): Promise<string> =>
  String((await call("POST", `/v1/capsules/${id}/checkpoints`, {}))["id"]);
const checkpoints = async (id: string): Promise<readonly string[]> =>
  ((await call("GET", `/v1/capsules/${id}/checkpoints`)) as unknown as { id: string; kind: string }[])
    .filter(({ kind }) => kind === "checkpoint")
    .map((one) => one.id);
const statusOf = async (id: string): Promise<unknown> => (await call("GET", `/v1/capsules/${id}`))["status"];

/** Events about a capsule and its checkpoints, of the types that retention makes. */
async function warnings(id: string): Promise<readonly string[]> {
  const rows = await database.db
    .selectFrom("events")
    .select(["type", "resource_id"])
    .where("resource_id", "like", `${parseId("capsule", id)}%`)
    .where("type", "in", ["capsule.expiring", "checkpoint.expiring", "checkpoint.expired"])
    .orderBy("id")
    .execute();
  return rows.map((row) => [row.type, ...row.resource_id.split("/").slice(1)].join(" "));
}

/** Lets time pass, and waits until everything has been looked at since: hundreds of transactions, one after the other. */
async function pass(ms: number): Promise<void> {
  clock.advance(ms);
  const looks = (): number => platform.logged.filter(({ event }) => event === "retention.looked").length;
  const before = looks();
  await eventually("everything was looked at", () => looks() > before, { timeoutMs: 60_000 });
}

test("a capsule that was paused for its days is removed, a day after an event has warned of it", async () => {
  const id = await create();
  const running = await create();
  await call("POST", `/v1/capsules/${id}/pause`);
  await pass(28.5 * DAY_MS);
  assert.deepEqual(await warnings(id), []);
  await pass(13 * HOUR_MS);
  assert.deepEqual(await warnings(id), ["capsule.expiring"]);
  await pass(20 * HOUR_MS);
  assert.deepEqual(
    [await statusOf(id), await warnings(id)],
    ["paused", ["capsule.expiring"]],
    "it warns once",
  );
  await pass(4 * HOUR_MS);
  assert.equal(await statusOf(id), "stopped");
  await eventually("its host has removed it", () => !host.capsules.has(id));
  assert.equal(await statusOf(running), "running");
  await call("DELETE", `/v1/capsules/${running}`);
});

test("nothing is removed without a day's warning, even long after its time", async () => {
  const id = await create();
  await call("POST", `/v1/capsules/${id}/pause`);
  await pass(300 * DAY_MS);
  assert.deepEqual([await statusOf(id), await warnings(id)], ["paused", ["capsule.expiring"]]);
  await pass(23 * HOUR_MS);
  assert.equal(await statusOf(id), "paused");
  await pass(2 * HOUR_MS);
  assert.equal(await statusOf(id), "stopped");
});

test("a capsule that was resumed in between is kept, and warned of again after its next pause", async () => {
  const id = await create();
  await call("POST", `/v1/capsules/${id}/pause`);
  await pass(29.5 * DAY_MS);
  assert.deepEqual(await warnings(id), ["capsule.expiring"]);
  await call("POST", `/v1/capsules/${id}/resume`);
  await pass(2 * DAY_MS);
  await call("POST", `/v1/capsules/${id}/pause`);
  await pass(2 * DAY_MS);
  assert.equal(await statusOf(id), "paused");
  await pass(27.5 * DAY_MS);
  assert.deepEqual(await warnings(id), ["capsule.expiring", "capsule.expiring"]);
  await call("DELETE", `/v1/capsules/${id}`);
});

test("checkpoints are removed by age, a day after a warning; the rule of a team comes before the installation's", async () => {
  const id = await create();
  const old = await checkpoint(id);
  await pass(8 * DAY_MS);
  const young = await checkpoint(id);
  await pass(1.5 * DAY_MS);
  assert.deepEqual(await warnings(id), [`checkpoint.expiring ${old}`]);
  assert.deepEqual(await checkpoints(id), [young, old]);
  await pass(DAY_MS);
  assert.deepEqual(await warnings(id), [`checkpoint.expiring ${old}`, `checkpoint.expired ${old}`]);
  assert.deepEqual(await checkpoints(id), [young]);
  await database.db.updateTable("teams").set({ keep_checkpoint_days: 100 }).execute();
  await pass(50 * DAY_MS);
  assert.deepEqual(await checkpoints(id), [young]);
  await database.db.updateTable("teams").set({ keep_checkpoint_days: 0 }).execute();
  await call("DELETE", `/v1/capsules/${id}`);
});

test("of the checkpoints of a capsule the newest are kept, and never the moment that a paused capsule resumes from", async () => {
  await database.db.updateTable("teams").set({ keep_checkpoints: 2, keep_checkpoint_days: 1000 }).execute();
  const id = await create();
  const made: string[] = [];
  for (let n = 0; n < 4; n++) made.push(await checkpoint(id));
  await call("POST", `/v1/capsules/${id}/pause`);
  await pass(HOUR_MS);
  const expiring = made.slice(0, 2).map((one) => `checkpoint.expiring ${one}`);
  assert.deepEqual((await warnings(id)).toSorted(), expiring);
  assert.equal((await checkpoints(id)).length, 4);
  await pass(25 * HOUR_MS);
  assert.deepEqual(await checkpoints(id), made.slice(2).toReversed());
  await call("POST", `/v1/capsules/${id}/resume`);
  await call("DELETE", `/v1/capsules/${id}`);
});

test("a warning that is no longer due counts no more: when it is due again, a day passes after a new one", async () => {
  await database.db.updateTable("teams").set({ keep_checkpoints: 5, keep_checkpoint_days: 1000 }).execute();
  const id = await create();
  const made: string[] = [];
  for (let n = 0; n < 6; n++) made.push(await checkpoint(id));
  const [first = "", second = ""] = made;
  await pass(HOUR_MS);
  assert.deepEqual(await warnings(id), [`checkpoint.expiring ${first}`]);
  await call("DELETE", `/v1/capsules/${id}/checkpoints/${second}`);
  await pass(20 * DAY_MS);
  await checkpoint(id);
  await pass(HOUR_MS);
  assert.ok((await checkpoints(id)).includes(first));
  assert.deepEqual(await warnings(id), [`checkpoint.expiring ${first}`, `checkpoint.expiring ${first}`]);
  await pass(25 * HOUR_MS);
  assert.ok(!(await checkpoints(id)).includes(first));

  await call("POST", `/v1/capsules/${id}/pause`);
  await pass(29.5 * DAY_MS);
  await database.db.updateTable("teams").set({ keep_paused_days: 300 }).execute();
  await pass(DAY_MS);
  await database.db.updateTable("teams").set({ keep_paused_days: 0 }).execute();
  await pass(HOUR_MS);
  assert.equal(await statusOf(id), "paused");
  assert.equal((await warnings(id)).filter((warning) => warning === "capsule.expiring").length, 2);
  await call("DELETE", `/v1/capsules/${id}`);
});

test("what a rule removes stands in the audit log, once", async () => {
  const rows = await database.db
    .selectFrom("audit_log")
    .select(["actor_type", "action", "metadata"])
    .where("actor_type", "=", "system")
    .execute();
  const of = (action: string): number => rows.filter((row) => row.action === action).length;
  const expired = await database.db
    .selectFrom("events")
    .select("resource_id")
    .where("type", "=", "checkpoint.expired")
    .execute();
  assert.equal(new Set(expired.map((row) => row.resource_id)).size, expired.length);
  assert.deepEqual([of("checkpoint_delete"), of("destroy")], [expired.length, 2]);
  assert.match(JSON.stringify(rows), /it was paused for 30 days/);
});

test("a checkpoint that two control planes remove at once is recorded by one of them", async () => {
  const id = await create();
  const expired = {
    capsuleId: parseId("capsule", id),
    teamId: (await database.db.selectFrom("sandboxes").select("team_id").executeTakeFirstOrThrow()).team_id,
    checkpoint: "g1",
  };
  const { db } = database;
  const at = new Date(clock.now());
  await db.transaction().execute((trx) => retentionQueries.warnOfExpiry(trx, expired, at, at));
  const record = (): Promise<boolean> =>
    db.transaction().execute((trx) => retentionQueries.recordExpired(trx, expired));
  const recorded = await Promise.all([record(), record()]);
  assert.equal(recorded.filter((one) => one).length, 1);
  assert.deepEqual(await warnings(id), ["checkpoint.expiring g1", "checkpoint.expired g1"]);
  await call("DELETE", `/v1/capsules/${id}`);
});

test("one look finds every capsule that is due, however many there are", async () => {
  const id = await create();
  await call("POST", `/v1/capsules/${id}/pause`);
  const status = host.capsules.get(id) ?? assert.fail();
  const capsules = sql.table("sandboxes");
  await sql`insert into ${capsules} select (jsonb_populate_record(s, jsonb_build_object('id', gen_random_uuid()))).*
    from ${capsules} s, generate_series(1, 249) where s.id = ${parseId("capsule", id)}`.execute(database.db);
  const rows = await database.db
    .selectFrom("sandboxes")
    .select("id")
    .where("status", "=", "paused")
    .execute();
  for (const copy of rows.map((row) => formatId("capsule", row.id)))
    host.capsules.set(copy, { ...status, id: copy });
  await pass(29.5 * DAY_MS);
  const { count } = await database.db
    .selectFrom("expiry_warnings")
    .select((eb) => eb.fn.countAll().as("count"))
    .where("checkpoint", "=", "")
    .executeTakeFirstOrThrow();
  assert.equal(Number(count), 250);
  await database.db
    .updateTable("sandboxes")
    .set({ status: "stopped" })
    .where("status", "=", "paused")
    .execute();
});

test("a host that does not answer holds up the rules on no other host, and no end of the server", async () => {
  const { db } = database;
  await db.updateTable("teams").set({ keep_checkpoints: 0, keep_checkpoint_days: 10 }).execute();
  const hanging = systemRandom.uuid();
  // It has just given a sign of life: the monitor does not call its capsules missing.
  await db
    .insertInto("hosts")
    .values({ id: hanging, type: "regular", status: "online", last_heartbeat_at: new Date() })
    .execute();
  const model = await create();
  await checkpoint(model);
  const capsules = sql.table("sandboxes");
  await sql`insert into ${capsules} select (jsonb_populate_record(s, jsonb_build_object(
      'id', ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'host_id', ${hanging}::text))).*
    from ${capsules} s, generate_series(1, 50) n where s.id = ${parseId("capsule", model)}`.execute(db);
  const id = await create();
  const due = await checkpoint(id);

  let asked = 0;
  const silent = Object.assign(new FakeHostAgent(), {
    listCheckpoints: async (_id: string, signal: AbortSignal) => {
      asked++;
      return await abortable(signal, Promise.withResolvers<never>().promise);
    },
  });
  const own = await db
    .selectFrom("sandboxes")
    .select("host_id")
    .where("id", "=", parseId("capsule", id))
    .executeTakeFirstOrThrow();
  const retention = new Retention(
    {
      database,
      fleet: {
        ids: () => [hanging, own.host_id ?? assert.fail()],
        agent: (hostId) => (hostId === hanging ? silent : host),
      },
      meter: { expire: () => {} },
      audit: { write: async () => {} },
      clock: { ...systemClock, now: () => clock.now() + 9.5 * DAY_MS },
      logger: silentLogger,
    },
    keepAll,
  );
  await retention.sweep();
  await eventually("the other host's checkpoint is warned of", async () => (await warnings(id)).length > 0);
  assert.deepEqual(await warnings(id), [`checkpoint.expiring ${due}`]);
  await eventually("the silent host is asked", () => asked > 0);
  assert.equal(asked, 1, "it is asked for one capsule at a time");
  const before = performance.now();
  await retention.close();
  assert.ok(performance.now() - before < 5000, "it ends at once");
  assert.equal(asked, 1, "the rest of its capsules waits for the next look");
  await db.deleteFrom("sandboxes").where("host_id", "=", hanging).execute();
  for (const one of [model, id]) await call("DELETE", `/v1/capsules/${one}`);
});

test("subscribers hear of a checkpoint by the id of its capsule", async () => {
  const rows = await database.db
    .selectFrom("events")
    .selectAll()
    .where("type", "=", "checkpoint.expired")
    .execute();
  const [row] = rows;
  assert.ok(row);
  const response = await fetch(`${platform.url}/v1/events?after=${Number(row.id) - 1}`, {
    headers: { "x-api-key": key },
  });
  const reader = response.body?.getReader();
  let text = "";
  while (!text.includes("checkpoint.expired")) {
    const part = await reader?.read();
    if (!part || part.done) break;
    text += Buffer.from(part.value).toString();
  }
  await reader?.cancel();
  assert.match(text, /"resource":\{"id":"cl-[0-9a-z]{25}\/g\d+","type":"checkpoint"\}/);
});
