import assert from "node:assert/strict";
import { after, test } from "node:test";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";
import type { Answer } from "./support/test-platform.ts";

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());
const { apiKey: key } = platform;

const call = async (method: string, path: string, body?: object): Promise<Answer> =>
  await platform.call(method, path, { key, ...(body ? { body } : {}) });

async function created(body: object): Promise<string> {
  const answer = await call("POST", "/v1/capsules", body);
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return String(answer.body["id"]);
}

/** Names of what a list holds. */
async function names(query: string): Promise<readonly unknown[]> {
  const { status, body } = await call("GET", `/v1/capsules?${query}`);
  assert.equal(status, 200, JSON.stringify(body));
  assert.ok(Array.isArray(body));
  return (body as { name: string }[]).map(({ name }) => name);
}

const at: Record<string, string> = {};
for (const [name, metadata] of [
  ["one", { stage: "test", owner: "ada" }],
  ["two", { stage: "test", owner: "bob" }],
  ["three", { stage: "live", owner: "ada", "a=b": "c" }],
] as const) {
  const id = await created({ name, metadata });
  await new Promise((resolve) => setTimeout(resolve, 5));
  at[name] = new Date().toISOString();
  if (name === "two") await call("POST", `/v1/capsules/${id}/pause`);
}

test("lists are filtered by name, status, template, metadata and time of creation; all filters must match", async () => {
  assert.deepEqual(await names(""), ["three", "two", "one"]);
  assert.deepEqual(await names("name=two"), ["two"]);
  assert.deepEqual(await names("name=tw"), []);
  assert.deepEqual(await names("status=running"), ["three", "one"]);
  assert.deepEqual(await names("status=paused,running&status=pending"), ["three", "two", "one"]);
  assert.deepEqual(await names("template=minimal"), ["three", "two", "one"]);
  assert.deepEqual(await names("template=other"), []);
  assert.deepEqual(await names("metadata=stage%3Dtest"), ["two", "one"]);
  assert.deepEqual(await names("metadata=stage%3Dtest&metadata=owner%3Dada"), ["one"]);
  assert.deepEqual(await names("metadata=stage=test&metadata=owner=eve"), []);
  assert.deepEqual(await names("metadata=stage=test&status=running"), ["one"]);
  assert.deepEqual(await names(`created_after=${at["one"]}`), ["three", "two"]);
  assert.deepEqual(await names(`created_after=${at["one"]}&created_before=${at["two"]}`), ["two"]);
  assert.deepEqual(await names("order=asc"), ["one", "two", "three"]);
  assert.deepEqual(await names("order=asc&metadata=owner=ada"), ["one", "three"]);
});

test("a filter on nothing, and one that can match nothing, is refused by its name", async () => {
  for (const [query, reason, field] of [
    ["name=", "filter_empty", "name"],
    ["status=", "filter_empty", "status"],
    ["status=running,", "filter_empty", "status"],
    ["metadata=", "filter_empty", "metadata"],
    ["template=", "filter_empty", "template"],
    ["created_after=", "filter_empty", "created_after"],
    ["status=asleep", "invalid_field", "status"],
    ["status=stopped", "invalid_field", "status"],
    ["metadata=stage", "invalid_field", "metadata"],
    ["metadata=%3Dtest", "invalid_field", "metadata"],
    ["metadata=a=1&metadata=a=2", "invalid_field", "metadata"],
    ["metadata=kernel_version=6", "metadata_reserved", "kernel_version"],
    ["created_before=yesterday", "invalid_field", "created_before"],
    ["created_before=2026-01-01T00:00:00", "invalid_field", "created_before"],
    ["name=a%00", "invalid_field", "name"],
    ["order=random", "invalid_field", "order"],
  ] as const) {
    const refused = await call("GET", `/v1/capsules?${query}`);
    assert.deepEqual([refused.status, reasonOf(refused)], [400, reason], query);
    assert.match(JSON.stringify(refused.body), new RegExp(field), query);
  }
  const strict = { key, headers: { prefer: "handling=strict" } };
  const unknown = await platform.call("GET", "/v1/capsules?sttus=running", strict);
  assert.deepEqual([unknown.status, reasonOf(unknown)], [400, "invalid_field"]);
  assert.match(JSON.stringify(unknown.body), /sttus/);
});

test("filtered pages hold every capsule exactly once in either order, while others come and go", async () => {
  for (let made = 0; made < 9; made++) await created({ name: `p${made}`, metadata: { batch: "7" } });
  for (const order of ["asc", "desc"]) {
    const expected = await names(`metadata=batch=7&order=${order}`);
    const walked: unknown[] = [];
    let url = `/v1/capsules?metadata=batch%3D7&order=${order}&limit=2`;
    for (let page = 0; url !== ""; page++) {
      const { body, headers } = await call("GET", url);
      walked.push(...(body as unknown as { name: string }[]).map(({ name }) => name));
      url = /<(.*)>/.exec(headers.get("link") ?? "")?.[1] ?? "";
      if (page === 1) {
        const passing = await created({ metadata: { batch: "8" } });
        await call("DELETE", `/v1/capsules/${passing}`);
      }
    }
    assert.deepEqual(walked, expected, order);
  }
  const { headers } = await call("GET", "/v1/capsules?limit=1");
  const cursor = headers.get("x-next-cursor") ?? "";
  const turned = await call("GET", `/v1/capsules?limit=1&order=asc&cursor=${cursor}`);
  assert.deepEqual([turned.status, reasonOf(turned)], [400, "invalid_field"], "a cursor is of one order");
});
