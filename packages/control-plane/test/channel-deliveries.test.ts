import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { after, beforeEach, test } from "node:test";
import { defined } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { sql } from "kysely";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";
import type { Answer } from "./support/test-platform.ts";

const platform = await TestPlatform.start();
const person = await platform.person("listener");
const keyMade = await platform.call("POST", "/v1/api-keys", { token: person.token, body: { name: "k" } });
const key = String(keyMade.body["key"]);

interface Got {
  readonly event: string;
  readonly resource: string;
  readonly signed: boolean;
}
const got: Got[] = [];
let secret = "";
let status = 204;
const server = createServer((request, response) => {
  void text(request).then((body) => {
    const told = JSON.parse(body) as { event: string; timestamp: string; resource: { id: string } };
    const expected = createHmac("sha256", secret).update(`${told.timestamp}.${body}`).digest("hex");
    const signed = request.headers["x-wrenn-signature"] === `sha256=${expected}`;
    got.push({ event: told.event, resource: told.resource.id, signed });
    response.writeHead(status).end();
  });
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const { port } = server.address() as AddressInfo;
platform.names.set("hooks.test", ["127.0.0.1"]);
after(async () => {
  await new Promise((resolve) => server.close(resolve));
  await platform[Symbol.asyncDispose]();
});
beforeEach(() => {
  got.length = 0;
  status = 204;
});

const as = async (method: string, path: string, body?: object): Promise<Answer> =>
  await platform.call(method, path, { token: person.token, ...defined({ body }) });
const webhook = (extra: object = {}) => ({
  name: " My Hook ",
  provider: "webhook",
  config: { url: `http://hooks.test:${port}/x` },
  events: ["capsule.created", "capsule.destroyed"],
  ...extra,
});

async function capsule(): Promise<string> {
  const { status: made, body } = await platform.call("POST", "/v1/capsules", { key, body: {} });
  assert.equal(made, 201, JSON.stringify(body));
  assert.equal((await platform.call("DELETE", `/v1/capsules/${String(body["id"])}`, { key })).status, 204);
  return String(body["id"]);
}

test("a channel is told, signed, of what it wants to hear, once each", async () => {
  const made = await as("POST", "/v1/channels", webhook());
  assert.equal(made.status, 201, JSON.stringify(made.body));
  assert.equal(made.body["name"], "my-hook");
  secret = String(made.body["secret"]);
  assert.match(secret, /^[0-9a-f]{64}$/);
  const id = await capsule();
  await eventually("both", () => got.length === 2);
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.deepEqual(
    got.toSorted((a, b) => a.event.localeCompare(b.event)),
    [
      { event: "capsule.created", resource: id, signed: true },
      { event: "capsule.destroyed", resource: id, signed: true },
    ],
  );
  const channel = String(made.body["id"]);
  for (const answer of [await as("GET", "/v1/channels"), await as("GET", `/v1/channels/${channel}`)])
    assert.doesNotMatch(JSON.stringify(answer.body), new RegExp(`${secret}|hooks\\.test|"config"|"secret"`));
  const stored = await platform.database.db.selectFrom("channels").select("config").executeTakeFirstOrThrow();
  assert.ok(!stored.config.includes("hooks.test"), "it lies encrypted in the database");
  assert.equal(reasonOf(await as("POST", "/v1/channels", webhook())), "channel_name_taken");

  const renamed = await as("PATCH", `/v1/channels/${channel}`, { events: ["capsule.destroyed"] });
  assert.deepEqual([renamed.body["name"], renamed.body["events"]], ["my-hook", ["capsule.destroyed"]]);
  const moved = await as("PUT", `/v1/channels/${channel}/config`, {
    config: { url: `http://hooks.test:${port}/y` },
  });
  assert.equal(moved.status, 200);
  assert.equal(moved.body["secret"], undefined, "the secret stays");
  got.length = 0;
  await capsule();
  await eventually("one", () => got.length === 1);
  assert.deepEqual(
    got.map(({ event, signed }) => [event, signed]),
    [["capsule.destroyed", true]],
  );
  assert.equal((await as("DELETE", `/v1/channels/${channel}`)).status, 204);
  assert.equal((await as("DELETE", `/v1/channels/${channel}`)).status, 204, "also when it is gone");
  assert.equal(reasonOf(await as("GET", `/v1/channels/${channel}`)), "channel_not_found");
});

test("what fails is tried again later, by whichever control plane lives, and given up in the end", async () => {
  const made = await as("POST", "/v1/channels", webhook({ name: "flaky", events: ["capsule.created"] }));
  secret = String(made.body["secret"]);
  status = 500;
  await capsule();
  await eventually("the first attempt", () => got.length === 1);
  const { db } = platform.database;
  const rows = () => db.selectFrom("deliveries").selectAll().where("state", "!=", "delivered").execute();
  await eventually("it is written down", async () => (await rows())[0]?.problem?.includes("500") ?? false);
  assert.equal((await rows())[0]?.state, "waiting");
  const due = async (): Promise<void> => {
    await db
      .updateTable("deliveries")
      .set({ due_at: new Date(0) })
      .where("state", "=", "waiting")
      .execute();
    await sql`select pg_notify('wrenn_deliveries', '')`.execute(db);
  };
  status = 204;
  await due();
  await eventually("delivered", async () => (await rows()).length === 0);
  assert.equal(got.length, 2);
  status = 503;
  await capsule();
  for (let attempt = 1; attempt <= 6; attempt++) {
    await eventually(`attempt ${attempt}`, async () => {
      await due();
      return ((await rows())[0]?.attempts ?? 0) >= attempt;
    });
  }
  await eventually("given up", async () => (await rows())[0]?.state === "failed");
  await as("DELETE", `/v1/channels/${String(made.body["id"])}`);
});

test("a team sees and changes its own channels only; what makes no sense is refused", async () => {
  const made = await as("POST", "/v1/channels", webhook({ name: "own" }));
  const id = String(made.body["id"]);
  const other = await platform.person("stranger");
  for (const [method, path, body] of [
    ["GET", "", undefined],
    ["PATCH", "", { name: "x" }],
    ["PUT", "/config", { config: { url: "https://example.org/" } }],
  ] as const) {
    const answer = await platform.call(method, `/v1/channels/${id}${path}`, {
      token: other.token,
      ...defined({ body }),
    });
    assert.equal(reasonOf(answer), "channel_not_found", method);
  }
  await platform.call("DELETE", `/v1/channels/${id}`, { token: other.token });
  assert.equal((await as("GET", `/v1/channels/${id}`)).status, 200, "a stranger's delete deletes nothing");
  for (const wrong of [
    { name: "ä" },
    { events: [] },
    { events: ["capsule.flew"] },
    { provider: "pigeon" },
    { config: {} },
    { config: { url: "no url" } },
  ])
    assert.equal(
      (await as("POST", "/v1/channels", webhook({ name: "w", ...wrong }))).status,
      400,
      JSON.stringify(wrong),
    );
  await platform.database.db.updateTable("teams").set({ max_channels: 1 }).execute();
  assert.equal(reasonOf(await as("POST", "/v1/channels", webhook({ name: "more" }))), "quota_exceeded");
  assert.equal(
    (await platform.call("POST", "/v1/channels", { key, body: webhook() })).status,
    401,
    "keys are no people",
  );
});
