import assert from "node:assert/strict";
import { after, test } from "node:test";
import { formatId, parseId, systemRandom } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { eventQueries } from "@wrenn/database";
import { sql } from "kysely";
import { EventListener } from "./support/event-listener.ts";
import { joinTeam, listOf } from "./support/join-team.ts";
import { TestPlatform } from "./support/test-platform.ts";
import type { Answer } from "./support/test-platform.ts";

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());
const { url, apiKey: key, database } = platform;
const { db } = database;

const get = async (path: string, credentials: { key?: string; token?: string } = { key }): Promise<Answer> =>
  await platform.call("GET", path, credentials);
const create = async (): Promise<string> => {
  const { status, body } = await platform.call("POST", "/v1/capsules", { key, body: {} });
  assert.equal(status, 201, JSON.stringify(body));
  return String(body["id"]);
};
const destroy = async (id: string): Promise<void> =>
  void (await platform.call("DELETE", `/v1/capsules/${id}`, { key }));
const listed = (answer: Answer): readonly Record<string, unknown>[] => {
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return listOf(answer);
};
const kindsOf = (answer: Answer): readonly unknown[] => listed(answer).map(({ event }) => event);

test("kinds are chosen by name or prefix, and events by capsule, in streams and in the history", async () => {
  const [one, other] = [await create(), await create()];
  const of = await EventListener.open(`?capsule=${one}&types=capsule.*,checkpoint.created`, { url, key });
  await platform.call("POST", `/v1/capsules/${other}/pause`, { key });
  await platform.call("POST", `/v1/capsules/${one}/checkpoints`, { key, body: {} });
  await platform.call("POST", `/v1/capsules/${one}/pause`, { key });
  await of.until("both", () => of.received.length === 2);
  assert.deepEqual(of.kinds(), ["checkpoint.created", "capsule.paused"]);
  of.close();
  const history = await get(`/v1/events/history?capsule=${one}`);
  assert.deepEqual(kindsOf(history), ["capsule.paused", "checkpoint.created", "capsule.created"]);
  const chosen = await get(`/v1/events/history?capsule=${one}&types=capsule.*`);
  assert.deepEqual(kindsOf(chosen), ["capsule.paused", "capsule.created"]);
  await destroy(one);
  assert.equal(kindsOf(await get(`/v1/events/history?capsule=${one}`)).length, 4, "ended capsules, too");
  await destroy(other);
});

test("the history is paged from the newest on, and an id of it is a place that a stream goes on from", async () => {
  const ids = [await create(), await create(), await create()];
  const [seen, pages]: [unknown[], number[]] = [[], []];
  let query = "types=capsule.created&limit=2";
  for (;;) {
    const page = await get(`/v1/events/history?${query}`);
    const items = listed(page);
    seen.push(...items.map(({ id }) => id));
    pages.push(items.length);
    const next = page.headers.get("x-next-cursor");
    if (next === null) break;
    query = `types=capsule.created&limit=2&cursor=${next}`;
  }
  assert.deepEqual(
    seen,
    seen.toSorted((a, b) => Number(b) - Number(a)),
  );
  assert.equal(new Set(seen).size, seen.length);
  assert.ok(pages.slice(0, -1).every((length) => length === 2));
  const from = await EventListener.open(`?types=capsule.*`, { url, key, last: String(seen[1]) });
  await from.until("the newest", () => from.received.length > 0);
  assert.equal(from.received[0]?.id, seen[0]);
  from.close();
  for (const id of ids) await destroy(id);
});

test("a stream and the history begin at a time", async () => {
  const early = await create();
  await destroy(early);
  const since = new Date().toISOString();
  const late = await create();
  const stream = await EventListener.open(`?since=${since}`, { url, key });
  await stream.until("the late one", () => stream.received.length === 1);
  assert.equal(stream.received[0]?.resource, late);
  stream.close();
  const until = await get(`/v1/events/history?until=${since}&limit=1`);
  assert.deepEqual(
    listed(until).map(({ event, resource }) => [event, (resource as { id: string }).id]),
    [["capsule.destroyed", early]],
  );
  const after = await get(`/v1/events/history?since=${encodeURIComponent(since)}`);
  assert.deepEqual(kindsOf(after), ["capsule.created"]);
  await destroy(late);
});

test("a filter that chooses nothing, and one that is not a filter, are refused with the field", async () => {
  const unknown = formatId("capsule", systemRandom.uuid());
  const refused: readonly [string, number, RegExp][] = [
    ["types=", 400, /types/],
    ["types=capsule", 400, /types/],
    ["types=nothing.*", 400, /types/],
    ["types=capsule.flew", 400, /types/],
    ["types=process.*", 400, /capsule/],
    ["capsule=cl-nothing", 400, /sandbox/],
    [`capsule=${unknown}`, 404, /not found/],
    ["since=yesterday", 400, /since/],
    ["after=yesterday", 400, /after/],
    ["kinds=capsule.*", 400, /kinds/],
  ];
  for (const [query, status, text] of refused) {
    const answer = await get(`/v1/events?${query}`);
    assert.equal(answer.status, status, query);
    assert.match(JSON.stringify(answer.body), text);
  }
  for (const query of ["types=process.started", "cursor=x", "until=x", "limit=0", "limit=1001", "after=1"])
    assert.equal((await get(`/v1/events/history?${query}`)).status, 400, query);
});

test("hosts and members are shown to logins, keys to those who may list them", async () => {
  const owner = await platform.person("audience-owner");
  const guest = await platform.person("audience-guest");
  const token = await joinTeam(platform, owner, guest, "member");
  const make = async (name: string, by: string) =>
    (await platform.call("POST", "/v1/api-keys", { token: by, body: { name } })).body;
  const key = String((await make("of the owner", owner.token))["key"]);
  await make("of the guest", token);
  const names = async (credentials: { key?: string; token?: string }) =>
    listed(await get("/v1/events/history?types=api_key.*,member.*", credentials)).map(
      ({ event, data }) => `${String(event)} ${(data as { name?: string }).name ?? ""}`,
    );
  const joined = "member.joined ";
  const ofGuest = "api_key.created of the guest";
  assert.deepEqual(await names({ token: owner.token }), [
    ofGuest,
    "api_key.created of the owner",
    joined,
    joined,
  ]);
  assert.deepEqual(await names({ token }), [ofGuest, joined, joined]);
  assert.deepEqual(await names({ key }), []);
  const stream = await EventListener.open("?after=0", { url, key });
  const people = await EventListener.open("?after=0&types=api_key.*", { url, token });
  await people.until("the guest's", () => people.received.length === 1);
  assert.deepEqual(stream.kinds(), []);
  const path = `/v1/teams/${owner.teamId}/members/${guest.userId}`;
  const body = { role: "admin" };
  assert.equal((await platform.call("PATCH", path, { token: owner.token, body })).status, 204);
  await people.until("the stream ends with the role", () => people.ended);
  const again = await EventListener.open("?after=0&types=api_key.*", { url, token });
  await again.until("all", () => again.received.length === 2);
  for (const listener of [stream, again]) listener.close();
});

test("places and times that are not kept are refused, and a team's surplus is deleted", async () => {
  const person = await platform.person("surplus");
  const made = await platform.call("POST", "/v1/api-keys", { token: person.token, body: { name: "k" } });
  const own = { key: String(made.body["key"]) };
  const teamId = parseId("team", person.teamId);
  for (let index = 0; index < 8; index++) {
    const about = {
      kind: "template.snapshot.created",
      resource: "snapshot",
      resourceId: `t${index}`,
    } as const;
    await eventQueries.emitEvent(db, { teamId, ...about });
    // Times of events have milliseconds.
    await sql`select pg_sleep(0.003)`.execute(db);
  }
  const before = listed(await get("/v1/events/history?types=template.*", own));
  await eventQueries.pruneEvents(db, { since: new Date(0), perTeam: 5 });
  const kept = listed(await get("/v1/events/history", own));
  assert.equal(kept.length, 5);
  const oldest = String(before.at(-1)?.["id"]);
  for (const query of [`after=${oldest}`, "after=0", "since=2020-01-01T00:00:00Z"]) {
    const { status, body } = await get(`/v1/events?${query}`, own);
    assert.equal(status, 410, query);
    assert.match(JSON.stringify(body), /events_gone/);
  }
  const last = String(before[5]?.["id"]);
  const stream = await EventListener.open("", { url, ...own, last });
  await stream.until("all that is kept", () => stream.received.length === 5);
  stream.close();
  const since = String(kept.at(-1)?.["timestamp"]);
  const timed = await EventListener.open(`?since=${since}`, { url, ...own });
  await timed.until("all that is kept", () => timed.received.length === 5);
  timed.close();
});

test("administrators of the platform see its hosts, others do not", async () => {
  const body = { email: "root@example.org", password: "of the administrator", name: "Root" };
  const made = await platform.call("POST", "/v1/auth/bootstrap", {
    body: { ...body, token: platform.firstAdminToken },
  });
  const token = String(made.body["token"]);
  const stream = await EventListener.open("?types=host.*", { url, token, path: "/v1/admin/events" });
  await platform.call("POST", "/v1/hosts", { token, body: { type: "regular" } });
  await eventually("the host is reported", () => stream.kinds().includes("host.created"));
  stream.close();
  const history = listed(await get("/v1/admin/events/history?types=host.created", { token }));
  assert.deepEqual(history.map(({ actor }) => (actor as { type: string }).type).slice(0, 1), ["user"]);
  assert.equal((await get("/v1/admin/events/history", { key })).status, 401);
});
