import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { defined, formatId, parseId } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { TestPlatform } from "./support/test-platform.ts";

let platform: TestPlatform;
before(async () => {
  platform = await TestPlatform.start();
});
after(() => platform[Symbol.asyncDispose]());

interface Told {
  readonly id: string;
  readonly event: string;
  readonly resource: string;
  readonly actor: string;
}

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

/** A client of the stream: what it was told, and where it is. */
class Listener {
  readonly told: Told[] = [];
  readonly #stop = new AbortController();
  #text = "";
  comments = 0;
  ended = false;

  static async open(
    query = "",
    options: { url?: string; last?: string; key?: string } = {},
  ): Promise<Listener> {
    const listener = new Listener();
    const response = await fetch(`${options.url ?? platform.url}/v1/events${query}`, {
      headers: {
        "x-api-key": options.key ?? platform.apiKey,
        ...defined({ "last-event-id": options.last }),
      },
      signal: listener.#stop.signal,
    });
    assert.equal(response.status, 200);
    assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/);
    listener
      .#read(response)
      .catch(() => undefined)
      .finally(() => (listener.ended = true));
    await listener.until("the stream begins", () => listener.comments > 0 || listener.told.length > 0);
    return listener;
  }

  async #read(response: Response): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? assert.fail("no body")) {
      this.#text += decoder.decode(chunk, { stream: true });
      const blocks = this.#text.split("\n\n");
      this.#text = blocks.pop() ?? "";
      for (const block of blocks) this.#take(block);
    }
  }

  #take(block: string): void {
    const fields = new Map(
      block.split("\n").map((line) => line.split(/: ?(.*)/s).slice(0, 2) as [string, string]),
    );
    const data = fields.get("data");
    if (data === undefined) {
      this.comments++;
      return;
    }
    const { event, resource, actor } = JSON.parse(data) as {
      event: string;
      resource: { id: string };
      actor: { type: string };
    };
    assert.equal(fields.get("event"), event);
    this.told.push({ id: fields.get("id") ?? "", event, resource: resource.id, actor: actor.type });
  }

  async until(what: string, check: () => boolean): Promise<void> {
    await eventually(what, check, { timeoutMs: 40_000, details: () => this.told });
  }

  close(): void {
    this.#stop.abort();
  }
}

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
  const listeners = [await Listener.open(), await Listener.open("", { url: second.url })];
  const id = await create();
  await destroy(id);
  for (const listener of listeners) {
    await listener.until("both", () => listener.told.length === 2);
    assert.deepEqual(
      listener.told.map(({ id: _id, ...rest }) => rest),
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
  const first = await Listener.open();
  const ids = [await create(), await create()];
  await first.until("two", () => first.told.length === 2);
  first.close();
  for (const id of ids) await destroy(id);
  const [one, two] = first.told;
  const again = await Listener.open("", { last: one?.id ?? "" });
  await again.until("the rest", () => again.told.length === 3);
  assert.deepEqual(again.told[0], two);
  assert.deepEqual(
    again.told.slice(1).map(({ event, resource }) => [event, resource]),
    ids.map((id) => ["capsule.destroyed", id]),
  );
  again.close();
  const some = await Listener.open(`?after=${one?.id ?? ""}&types=capsule.destroyed,capsule.paused`);
  await some.until("chosen ones", () => some.told.length === 2);
  assert.ok(some.told.every(({ event }) => event === "capsule.destroyed"));
  some.close();
  const wrong = await platform.call("GET", "/v1/events?after=yesterday", { key: platform.apiKey });
  assert.equal(wrong.status, 400);
});

test("a transaction that began first and commits last is told last, and not passed by", async () => {
  const listener = await Listener.open();
  const { db } = platform.database;
  const slow = await create();
  const quick = await create();
  await listener.until("both run", () => listener.told.length === 2);
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
  const paused = () => listener.told.filter(({ event }) => event === "capsule.paused");
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
  const listener = await Listener.open();
  const { db } = platform.database;
  const { sql } = await import("kysely");
  await sql`select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen %' and pid <> pg_backend_pid()`.execute(
    db,
  );
  const id = await create();
  await listener.until("told", () => listener.told.some(({ resource }) => resource === id));
  await destroy(id);
  await listener.until("told", () => listener.told.length === 2);
  listener.close();
});

test("a team is told of its own only", async () => {
  const person = await platform.person("events");
  const key = await platform.call("POST", "/v1/api-keys", { token: person.token, body: { name: "k" } });
  const other = await Listener.open("", { key: String(key.body["key"]) });
  const own = await Listener.open();
  const id = await create();
  await own.until("told", () => own.told.length === 1);
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.deepEqual(other.told, []);
  own.close();
  other.close();
  await destroy(id);
  assert.ok(formatId("team", parseId("team", person.teamId)));
  assert.equal((await fetch(`${platform.url}/v1/events`)).status, 401);
});

test("of many that write at once none is missed, and the order is the same for everybody", async () => {
  const listeners = [await Listener.open(), await Listener.open()];
  const ids = await Promise.all(Array.from({ length: 12 }, () => create()));
  await Promise.all(ids.map(destroy));
  for (const listener of listeners) await listener.until("all", () => listener.told.length >= 24);
  const [one, two] = listeners.map(({ told }) => told);
  assert.deepEqual(one, two);
  assert.equal(new Set(one?.map(({ resource }) => resource)).size, 12);
  for (const listener of listeners) listener.close();
});

test("a stream ends with its credentials; unknown types and places that are forgotten are refused", async () => {
  const person = await platform.person("leaver");
  const made = await platform.call("POST", "/v1/api-keys", { token: person.token, body: { name: "k" } });
  const listener = await Listener.open("", { key: String(made.body["key"]) });
  const id = String(made.body["id"]);
  assert.equal((await platform.call("DELETE", `/v1/api-keys/${id}`, { token: person.token })).status, 204);
  await listener.until("the stream has ended", () => listener.ended);
  const unknown = await platform.call("GET", "/v1/events?types=capsule.flew", { key: platform.apiKey });
  assert.equal(unknown.status, 400);
  await platform.database.db.updateTable("event_horizon").set({ id: "7" }).execute();
  const gone = await platform.call("GET", "/v1/events?after=6", { key: platform.apiKey });
  assert.equal(gone.status, 410);
});
