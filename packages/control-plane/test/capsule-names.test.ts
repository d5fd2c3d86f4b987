import assert from "node:assert/strict";
import { after, test } from "node:test";
import { RouteList } from "./support/route-list.ts";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";
import type { Answer } from "./support/test-platform.ts";
import { webSocketCall } from "./support/web-socket-call.ts";

const routes = new RouteList();
const platform = await TestPlatform.start();
after(async () => {
  routes[Symbol.dispose]();
  await platform[Symbol.asyncDispose]();
});
const { apiKey: key } = platform;

const create = async (body: object, headers: Record<string, string> = {}): Promise<Answer> =>
  await platform.call("POST", "/v1/capsules", { key, body, headers });
const call = async (method: string, path: string, body?: object): Promise<Answer> =>
  await platform.call(method, path, { key, ...(body ? { body } : {}) });

async function created(body: object): Promise<string> {
  const answer = await create(body);
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return String(answer.body["id"]);
}

test("a capsule is reached by its name wherever its id is accepted, in paths and bodies", async () => {
  const id = await created({ name: "web" });
  const read = await call("GET", "/v1/capsules/web");
  assert.deepEqual([read.status, read.body["id"], read.body["name"]], [200, id, "web"]);
  const ran = await call("POST", "/v1/capsules/web/exec", { cmd: "true" });
  assert.deepEqual([ran.status, ran.body["sandbox_id"]], [200, id]);
  assert.equal((await call("POST", "/v1/capsules/web/ping")).status, 204);
  assert.equal((await call("PUT", "/v1/capsules/web/network", { egress: "deny" })).status, 200);
  assert.equal((await call("GET", "/v1/capsules/web/ports")).status, 200);
  assert.equal((await call("POST", "/v1/capsules/web/pause")).status, 200);
  const template = await call("POST", "/v1/snapshots", { sandbox_id: "web", name: "of-web" });
  assert.equal(template.status, 201, JSON.stringify(template.body));
  assert.equal((await call("POST", "/v1/capsules/web/resume")).status, 200);
  await platform.settle();
  const { db } = platform.database;
  const logged = await db
    .selectFrom("audit_log")
    .select("resource_id")
    .where("resource_type", "=", "sandbox")
    .execute();
  const ids = logged.map(({ resource_id: resource }) => resource);
  assert.deepEqual([...new Set(ids)], [id], "the log knows it by its id");
  assert.equal((await call("DELETE", "/v1/capsules/web")).status, 204);
});

test("a WebSocket opens on the name of a capsule", async () => {
  await created({ name: "terminal" });
  const answer = await webSocketCall(platform.url, "/v1/capsules/terminal/exec/stream", {
    headers: { "x-api-key": key },
    messages: [JSON.stringify({ type: "start", cmd: "true" })],
  });
  assert.equal(answer.status, 101, JSON.stringify(answer));
  const unknown = await webSocketCall(platform.url, "/v1/capsules/no-such/exec/stream", {
    headers: { "x-api-key": key },
    messages: [JSON.stringify({ type: "start", cmd: "true" })],
  });
  assert.match(JSON.stringify(unknown), /invalid sandbox ID/);
});

test("a name is of one living capsule of a team; a destroyed capsule frees it, and other teams have theirs", async () => {
  const first = await created({ name: "unique" });
  const second = await create({ name: "unique" });
  assert.deepEqual([second.status, reasonOf(second)], [409, "capsule_name_taken"]);
  const { token } = await platform.person("another");
  const foreign = await platform.call("POST", "/v1/capsules", { token, body: { name: "unique" } });
  assert.equal(foreign.status, 201);
  const theirs = await platform.call("GET", "/v1/capsules/unique", { token });
  assert.equal(theirs.body["id"], foreign.body["id"]);
  assert.equal((await call("DELETE", "/v1/capsules/unique")).status, 204);
  const gone = await call("GET", "/v1/capsules/unique");
  assert.deepEqual([gone.status, reasonOf(gone)], [404, "capsule_not_found"]);
  assert.equal((await call("GET", `/v1/capsules/${first}`)).body["status"], "stopped");
  assert.notEqual(await created({ name: "unique" }), first);
});

test("of creates with one name that come at once exactly one is made", async () => {
  const answers = await Promise.all(Array.from({ length: 8 }, () => create({ name: "contended" })));
  const refused = answers.filter(({ status }) => status !== 201);
  assert.equal(refused.length, 7);
  assert.deepEqual([...new Set(refused.map(reasonOf))], ["capsule_name_taken"]);
});

test("a repeated create with an Idempotency-Key and a name gives the capsule that has the name", async () => {
  const headers = { "idempotency-key": "named" };
  const [first, second] = [
    await create({ name: "repeated" }, headers),
    await create({ name: "repeated" }, headers),
  ];
  assert.deepEqual([second.status, second.body["id"]], [201, first.body["id"]]);
});

test("texts that are no names, and names that look like ids or are words of the API, are refused", async () => {
  for (const name of ["-a", ".", "a b", "a/b", "ä", "x".repeat(65), "a\0"]) {
    const refused = await create({ name });
    assert.deepEqual([name, refused.status, reasonOf(refused)], [name, 400, "invalid_field"]);
  }
  const reserved = ["cl-web", "CL-1", `cl${"0".repeat(25)}`, "stats", "Usage", "metrics"];
  for (const name of reserved) {
    const refused = await create({ name });
    assert.deepEqual([name, refused.status, reasonOf(refused)], [name, 409, "capsule_name_reserved"]);
  }
});

test("every word of a path beside the ids of capsules is reserved", async () => {
  const words = routes
    .all()
    .flatMap(({ url }) => /^\/v1\/(?:admin\/)?capsules\/([^/:]+)/.exec(url)?.[1] ?? []);
  assert.ok(words.includes("stats"));
  for (const name of new Set(words))
    assert.equal(reasonOf(await create({ name })), "capsule_name_reserved", name);
});

test("what is neither an id nor the name of a capsule, or of one that has ended, is no id", async () => {
  for (const [text, status, reason] of [
    ["cl-NOT", 400, "invalid_id"],
    ["a%20b", 400, "invalid_id"],
    ["no-such", 400, "capsule_name_unknown"],
  ] as const) {
    const refused = await call("GET", `/v1/capsules/${text}`);
    assert.deepEqual([text, refused.status, reasonOf(refused)], [text, status, reason]);
  }
});

test("administrators reach capsules of the platform by name, and no one else learns which names there are", async () => {
  const body = { email: "root@example.org", password: "of the administrator", name: "Root" };
  const root = await platform.call("POST", "/v1/auth/bootstrap", {
    body: { ...body, token: platform.firstAdminToken },
  });
  const token = String(root.body["token"]);
  const made = await platform.call("POST", "/v1/admin/capsules", { token, body: { name: "builder" } });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const read = await platform.call("GET", "/v1/admin/capsules/builder", { token });
  assert.equal(read.body["id"], made.body["id"]);
  const { token: person } = await platform.person("curious");
  for (const name of ["builder", "no-such"])
    assert.equal((await platform.call("GET", `/v1/admin/capsules/${name}`, { token: person })).status, 403);
});
