import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { formatId, parseId } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { EventListener } from "./support/event-listener.ts";
import { TestPlatform } from "./support/test-platform.ts";

/* On both databases: every control plane hears of what another one writes. */

let platform: TestPlatform;
before(async () => {
  platform = await TestPlatform.start();
});
after(() => platform[Symbol.asyncDispose]());

/** A stream of the first team, unless it is another's key. */
const open = async (
  query = "",
  options: { url?: string; last?: string; key?: string } = {},
): Promise<EventListener> =>
  await EventListener.open(query, { url: platform.url, key: platform.apiKey, ...options });

test("of streams that are opened at once no more are admitted than a team may have", async () => {
  const stop = new AbortController();
  const answers = await Promise.all(
    Array.from({ length: 110 }, () =>
      fetch(`${platform.url}/v1/events`, {
        headers: { "x-api-key": platform.apiKey },
        signal: stop.signal,
      }),
    ),
  );
  assert.equal(answers.filter(({ status }) => status === 200).length, 100);
  stop.abort();
  await eventually("their places are free again", async () => {
    const one = new AbortController();
    const { status } = await fetch(`${platform.url}/v1/events`, {
      headers: { "x-api-key": platform.apiKey },
      signal: one.signal,
    });
    one.abort();
    return status === 200;
  });
});

async function create(url = platform.url): Promise<string> {
  const { status, body } = await platform.call("POST", "/v1/capsules", {
    key: platform.apiKey,
    body: { template: "minimal" },
    url,
  });
  assert.equal(status, 201, JSON.stringify(body));
  return String(body["id"]);
}

const destroy = async (id: string): Promise<void> => {
  assert.equal((await platform.call("DELETE", `/v1/capsules/${id}`, { key: platform.apiKey })).status, 204);
};

test("what happens is told as it happens, with who asked for it, by every control plane", async () => {
  const second = await platform.serve(undefined);
  const listeners = [await open(), await open("", { url: second.url })];
  const id = await create();
  await destroy(id);
  for (const listener of listeners) {
    await listener.until("both", () => listener.received.length === 2);
    assert.deepEqual(
      listener.received.map(({ event, resource, actor }) => ({ event, resource, actor })),
      [
        { event: "capsule.created", resource: id, actor: "api_key" },
        { event: "capsule.destroyed", resource: id, actor: "api_key" },
      ],
    );
    listener.close();
  }
  await second.close();
});

test("who comes back gets what was missed, in order and once; types can be chosen", async () => {
  const first = await open();
  const ids = [await create(), await create()];
  await first.until("two", () => first.received.length === 2);
  first.close();
  for (const id of ids) await destroy(id);
  const [one, two] = first.received;
  const again = await open("", { last: one?.id ?? "" });
  await again.until("the rest", () => again.received.length === 3);
  assert.deepEqual(again.received[0], two);
  assert.deepEqual(
    again.received.slice(1).map(({ event, resource }) => [event, resource]),
    ids.map((id) => ["capsule.destroyed", id]),
  );
  again.close();
  const some = await open(`?after=${one?.id ?? ""}&types=capsule.destroyed,capsule.paused`);
  await some.until("chosen ones", () => some.received.length === 2);
  assert.ok(some.received.every(({ event }) => event === "capsule.destroyed"));
  some.close();
  const wrong = await platform.call("GET", "/v1/events?after=yesterday", { key: platform.apiKey });
  assert.equal(wrong.status, 400);
});

test("a transaction that began first and commits last is told last, and not passed by", async () => {
  const listener = await open();
  const { db } = platform.database;
  const slow = await create();
  const quick = await create();
  await listener.until("both run", () => listener.received.length === 2);
  const pause = (id: string) => ({ status: "paused" as const, uuid: parseId("capsule", id) });
  const opened = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const late = db.transaction().execute(async (trx) => {
    const { status, uuid } = pause(slow);
    await trx.updateTable("sandboxes").set({ status }).where("id", "=", uuid).execute();
    opened.resolve();
    await go.promise;
  });
  await opened.promise;
  const { status, uuid } = pause(quick);
  await db.updateTable("sandboxes").set({ status }).where("id", "=", uuid).execute();
  const paused = () => listener.received.filter(({ event }) => event === "capsule.paused");
  await listener.until("the quick one", () => paused().length === 1);
  go.resolve();
  await late;
  await listener.until("both", () => paused().length === 2);
  assert.deepEqual(
    paused().map(({ event, resource, actor }) => [event, resource, actor]),
    [
      ["capsule.paused", quick, "system"],
      ["capsule.paused", slow, "system"],
    ],
  );
  listener.close();
  for (const id of [slow, quick]) await destroy(id);
});

test("a broken connection to the database loses nothing", async () => {
  const listener = await open();
  const { db } = platform.database;
  const { sql } = await import("kysely");
  await sql`select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen %' and pid <> pg_backend_pid()`.execute(
    db,
  );
  const id = await create();
  await listener.until("told", () => listener.received.some(({ resource }) => resource === id));
  await destroy(id);
  await listener.until("told", () => listener.received.length === 2);
  listener.close();
});

test("a team is told of its own only", async () => {
  const person = await platform.person("events");
  const key = await platform.call("POST", "/v1/api-keys", { token: person.token, body: { name: "k" } });
  const other = await open("", { key: String(key.body["key"]) });
  const own = await open();
  const id = await create();
  await own.until("told", () => own.received.length === 1);
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.deepEqual(other.received, []);
  own.close();
  other.close();
  await destroy(id);
  assert.ok(formatId("team", parseId("team", person.teamId)));
  assert.equal((await fetch(`${platform.url}/v1/events`)).status, 401);
});

test("of many that write at once none is missed, and the order is the same for everybody", async () => {
  const listeners = [await open(), await open()];
  const ids = await Promise.all(Array.from({ length: 12 }, () => create()));
  await Promise.all(ids.map(destroy));
  for (const listener of listeners) await listener.until("all", () => listener.received.length >= 24);
  const [one, two] = listeners.map(({ received }) => received);
  assert.deepEqual(one, two);
  assert.equal(new Set(one?.map(({ resource }) => resource)).size, 12);
  for (const listener of listeners) listener.close();
});

test("a stream ends with its credentials; unknown types and places that are forgotten are refused", async () => {
  const person = await platform.person("leaver");
  const made = await platform.call("POST", "/v1/api-keys", { token: person.token, body: { name: "k" } });
  const listener = await open("", { key: String(made.body["key"]) });
  const id = String(made.body["id"]);
  assert.equal((await platform.call("DELETE", `/v1/api-keys/${id}`, { token: person.token })).status, 204);
  await listener.until("the stream has ended", () => listener.ended);
  const unknown = await platform.call("GET", "/v1/events?types=capsule.flew", { key: platform.apiKey });
  assert.equal(unknown.status, 400);
  await platform.database.db.updateTable("event_horizon").set({ id: "7" }).execute();
  const gone = await platform.call("GET", "/v1/events?after=6", { key: platform.apiKey });
  assert.equal(gone.status, 410);
});
