import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { eventKindsByName } from "@wrenn/control-plane";
import { DAY_MS, formatId, parseId, systemRandom } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { hostQueries } from "@wrenn/database";
import type { EventRow } from "@wrenn/database";
import { sql } from "kysely";
import { Value } from "typebox/value";
import { eventJson } from "../src/events/event-json.ts";
import { joinTeam } from "./support/join-team.ts";
import { TestPlatform } from "./support/test-platform.ts";

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());
const { database, host, apiKey: key } = platform;
const { db } = database;

/** Kinds that other tests of this package provoke. */
const elsewhere: Readonly<Record<string, string>> = {
  "capsule.expiring": "retention.test.ts",
  "checkpoint.expiring": "retention.test.ts",
  "checkpoint.expired": "retention.test.ts",
  "capsule.not_answering": "guest-conditions.test.ts",
  "capsule.answering": "guest-conditions.test.ts",
  "capsule.out_of_memory": "guest-conditions.test.ts",
  "capsule.disk_full": "guest-conditions.test.ts",
  "capsule.disk_freed": "guest-conditions.test.ts",
  "port.opened": "listening-ports.test.ts",
  "port.closed": "listening-ports.test.ts",
};

const call = async (method: string, path: string, options: { token?: string; body?: unknown } = {}) => {
  const credentials = options.token === undefined ? { key } : { token: options.token };
  const answer = await platform.call(method, path, { ...credentials, body: options.body });
  assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
};
const create = async (body: unknown = {}): Promise<string> =>
  String((await call("POST", "/v1/capsules", { body }))["id"]);

/** Events about something, in their order. */
async function eventsOf(resource: string): Promise<readonly EventRow[]> {
  const like = db.selectFrom("events").selectAll().where("resource_id", "like", `${resource}%`);
  return await like.orderBy("id").execute();
}
const kindsOf = (rows: readonly EventRow[]): readonly string[] => rows.map(({ type }) => type);
const reasonsOf = (rows: readonly EventRow[]): readonly string[] =>
  rows.map(({ type, data }) => `${type} ${String(data["reason"])}`);

test("each change of a capsule's state has its reason", async () => {
  const id = await create({ timeout_sec: 60 });
  const uuid = parseId("capsule", id);
  await call("POST", `/v1/capsules/${id}/pause`);
  await call("POST", `/v1/capsules/${id}/resume`);
  host.report(id, { state: "paused" });
  await eventually("it is paused", async () => kindsOf(await eventsOf(uuid)).at(-1) === "capsule.paused");
  await call("POST", `/v1/capsules/${id}/resume`);
  await db.updateTable("sandboxes").set({ status: "missing" }).where("id", "=", uuid).execute();
  await db.updateTable("sandboxes").set({ status: "running" }).where("id", "=", uuid).execute();
  host.report(id, { state: "failed", problem: "its machine died" });
  await eventually("it failed", async () => kindsOf(await eventsOf(uuid)).at(-1) === "capsule.failed");
  const rows = await eventsOf(uuid);
  assert.deepEqual(reasonsOf(rows), [
    "capsule.created requested",
    "capsule.paused requested",
    "capsule.running requested",
    "capsule.paused idle",
    "capsule.running requested",
    "capsule.missing host_unreachable",
    "capsule.running host_returned",
    "capsule.failed failed",
  ]);
  assert.equal(rows.at(-1)?.data["problem"], "its machine died");
  assert.deepEqual([rows[1]?.data["operation"], rows[1]?.actor.type], ["pause", "api_key"]);
  assert.equal(rows[3]?.actor.type, "system");
});

test("a pause at the end of the lifetime says so", async () => {
  const id = await create({ max_lifetime_sec: 60 });
  const uuid = parseId("capsule", id);
  const since = new Date(platform.clock.now() - 61_000);
  await db.updateTable("sandboxes").set({ running_since: since }).where("id", "=", uuid).execute();
  host.report(id, { state: "paused" });
  await eventually("it is paused", async () => kindsOf(await eventsOf(uuid)).length === 2);
  assert.equal((await eventsOf(uuid))[1]?.data["reason"], "lifetime");
});

test("a capsule that stands still and continues, checkpoints and templates are reported with their actor", async () => {
  const id = await create();
  const uuid = parseId("capsule", id);
  host.report(id, { problem: "the capsule waits" });
  await eventually("it stands still", async () => kindsOf(await eventsOf(uuid)).includes("capsule.stalled"));
  await db.updateTable("sandboxes").set({ problem: null }).where("id", "=", uuid).execute();
  const made = await call("POST", `/v1/capsules/${id}/checkpoints`, { body: { name: "before" } });
  const checkpoint = String(made["id"]);
  await call("POST", `/v1/capsules/${id}/checkpoints/${checkpoint}/restore`);
  await call("DELETE", `/v1/capsules/${id}/checkpoints/${checkpoint}`);
  const rows = (await eventsOf(uuid)).filter(({ resource_type: type }) => type === "checkpoint");
  assert.deepEqual(kindsOf(rows), ["checkpoint.created", "checkpoint.restored", "checkpoint.deleted"]);
  assert.deepEqual(
    rows.map(({ actor }) => actor.type),
    ["api_key", "api_key", "api_key"],
  );
  const [first] = rows;
  assert.ok(first);
  assert.deepEqual(eventJson(first).resource, { id: `${id}/${checkpoint}`, type: "checkpoint" });
  assert.equal(first.data["name"], "before");
  await call("POST", "/v1/snapshots", { body: { sandbox_id: id, name: "made" } });
  await call("DELETE", "/v1/snapshots/made");
  assert.deepEqual(kindsOf(await eventsOf("made")), [
    "template.snapshot.created",
    "template.snapshot.deleted",
  ]);
  await call("DELETE", `/v1/capsules/${id}`);
});

test("a change and a fork of a capsule are reported, and each state of a build", async () => {
  const id = await create();
  const uuid = parseId("capsule", id);
  await call("PATCH", `/v1/capsules/${id}`, { body: { metadata: { stage: "test" } } });
  await call("POST", `/v1/capsules/${id}/fork`);
  assert.deepEqual(kindsOf(await eventsOf(uuid)), ["capsule.created", "capsule.updated", "capsule.forked"]);
  const { team_id: teamId } = await db
    .selectFrom("sandboxes")
    .select("team_id")
    .where("id", "=", uuid)
    .executeTakeFirstOrThrow();
  // Builds whose owner is no living control plane are interrupted by the next look at them.
  const owner = systemRandom.uuid();
  await db
    .insertInto("control_planes")
    .values({ id: owner, last_seen: new Date(Date.now() + DAY_MS) })
    .execute();
  for (const end of ["success", "failed", "cancelled", "interrupted"]) {
    const build = systemRandom.uuid();
    await sql`insert into builds (id, team_id, name, tag, base_template, recipe, vcpus, memory_mb, total_steps)
      values (${build}, ${teamId}, 'made', 'default', 'minimal', '[]', 1, 512, 1)`.execute(db);
    await sql`update builds set status = 'running', owner = ${owner} where id = ${build}`.execute(db);
    await sql`update builds set status = ${end}, completed_at = now() where id = ${build}`.execute(db);
    const rows = await eventsOf(build);
    assert.deepEqual(kindsOf(rows), ["build.pending", "build.running", `build.${end}`]);
    assert.deepEqual(rows[0]?.data, { name: "made", tag: "default" });
  }
});

test("members and keys of a team are reported with the person who changed them", async () => {
  const owner = await platform.person("event-owner");
  const guest = await platform.person("event-guest");
  await joinTeam(platform, owner, guest, "member");
  const { token, teamId } = owner;
  const member = `/v1/teams/${teamId}/members/${guest.userId}`;
  await call("PATCH", member, { token, body: { role: "admin" } });
  await call("DELETE", member, { token });
  const made = await call("POST", "/v1/api-keys", { token, body: { name: "ci", scopes: ["read"] } });
  await call("DELETE", `/v1/api-keys/${String(made["id"])}`, { token });
  const rows = await db
    .selectFrom("events")
    .selectAll()
    .where("team_id", "=", parseId("team", teamId))
    .orderBy("id")
    .execute();
  const ofGuest = rows.filter(({ resource_id: id }) => id === parseId("user", guest.userId));
  assert.deepEqual(
    ofGuest.map(({ type, data, actor }) => [type, data["role"], actor.id]),
    [
      ["member.joined", "member", guest.userId],
      ["member.role_changed", "admin", owner.userId],
      ["member.removed", "admin", owner.userId],
    ],
  );
  const ofKey = rows.filter(({ resource_type: type }) => type === "api_key").map(eventJson);
  assert.deepEqual(
    ofKey.map(({ event, resource, actor, data }) => [event, resource.id, actor.id, data["created_by"]]),
    ["api_key.created", "api_key.revoked"].map((event) => [event, made["id"], owner.userId, owner.userId]),
  );
});

test("what other members see of a team is reported: its name, invitations, ports and links", async () => {
  const owner = await platform.person("event-inviter");
  const { token, teamId, userId } = owner;
  const team = `/v1/teams/${teamId}`;
  await call("PATCH", team, { token, body: { name: "renamed" } });
  await call("PATCH", team, { token, body: { name: "renamed" } });
  await call("POST", `${team}/invitations`, { token, body: { email: "new@example.org", role: "member" } });
  const answer = await platform.call("GET", `${team}/invitations`, { token });
  const [invitation] = answer.body as unknown as readonly { readonly id: string }[];
  assert.ok(invitation);
  await call("DELETE", `${team}/invitations/${invitation.id}`, { token });
  const id = String((await call("POST", "/v1/capsules", { token, body: {} }))["id"]);
  for (const access of ["public", "public", "private"])
    await call("PUT", `/v1/capsules/${id}/ports/8000`, { token, body: { access } });
  const link = await call("POST", `/v1/capsules/${id}/ports/8000/link`, { token, body: {} });
  await call("DELETE", `/v1/capsules/${id}/ports/8000/links/${String(link["id"])}`, { token });
  const rows = await db
    .selectFrom("events")
    .selectAll()
    .where("team_id", "=", parseId("team", teamId))
    .where("resource_type", "in", ["team", "invitation", "port"])
    .orderBy("id")
    .execute();
  assert.deepEqual(
    rows.map(eventJson).map(({ event, resource, data, actor }) => [event, resource.id, data, actor.id]),
    [
      ["team.renamed", teamId, { name: "renamed" }],
      ["invitation.opened", invitation.id, { role: "member" }],
      ["invitation.closed", invitation.id, { role: "member" }],
      ["port.access_changed", `${id}/tcp/8000`, { access: "public" }],
      ["port.access_changed", `${id}/tcp/8000`, { access: "private" }],
      ["port.link_created", `${id}/tcp/8000`, { link: link["id"] }],
      ["port.link_revoked", `${id}/tcp/8000`, { link: link["id"] }],
    ].map((event) => [...event, userId]),
  );
});

test("hosts are reported from their announcement to their removal", async () => {
  const { userId } = await platform.person("event-host");
  const id = systemRandom.uuid();
  const row = { id, type: "regular" as const, teamId: null, provider: null, availabilityZone: null };
  await hostQueries.insertHost(db, { ...row, createdBy: parseId("user", userId) });
  const set = async (change: { status?: "online" | "draining" | "unreachable"; deleted_at?: Date }) =>
    await db
      .updateTable("hosts")
      // It has just given a sign of life: the monitor leaves its status alone.
      .set({ ...change, address: "198.51.100.1:8090", last_heartbeat_at: new Date() })
      .where("id", "=", id)
      .execute();
  for (const status of ["online", "unreachable", "online", "draining", "online"] as const)
    await set({ status });
  await set({ deleted_at: new Date() });
  const rows = await eventsOf(id);
  // The monitor may have looked in between, and found that it does not answer.
  assert.deepEqual([...new Set(kindsOf(rows))].toSorted(), [
    "host.created",
    "host.deleted",
    "host.down",
    "host.draining",
    "host.registered",
    "host.undrained",
    "host.up",
  ]);
  assert.equal(rows[0] && eventJson(rows[0]).resource.id, formatId("host", id));
});

test("every kind is emitted, and its data is what the table says", async () => {
  const rows = await db.selectFrom("events").selectAll().execute();
  for (const row of rows) {
    const kind = eventKindsByName.get(row.type);
    assert.ok(kind, `${row.type} is not in the table of kinds`);
    assert.equal(kind.resource, row.resource_type, row.type);
    const { data } = eventJson(row);
    assert.ok(Value.Check(kind.data, data), `${row.type}: ${JSON.stringify(data)}`);
  }
  const seen = new Set(rows.map(({ type }) => type));
  for (const [name, { stored }] of eventKindsByName) {
    const file = elsewhere[name];
    assert.ok(!stored || seen.has(name) !== (file !== undefined), name);
    if (file === undefined) continue;
    const text = await readFile(join(import.meta.dirname, file), "utf8");
    assert.ok(text.includes(name), `${file} does not provoke ${name}`);
  }
});
