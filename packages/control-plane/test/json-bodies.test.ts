/* Drawn: route-fuzz.test.ts sends bodies to every route, too. */
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { after, test } from "node:test";
import { FurnishedHostAgent } from "./support/furnished-host-agent.ts";
import { Furnisher } from "./support/furnished-teams.ts";
import { administrators } from "./support/matrix-world.ts";
import { rawRequest } from "./support/raw-request.ts";
import type { RawAnswer } from "./support/raw-request.ts";
import { RouteList } from "./support/route-list.ts";
import { TestPlatform } from "./support/test-platform.ts";

/* What counts as the body of a request: content, of the type that the route takes. */

using list = new RouteList();
const platform = await TestPlatform.start({
  host: new FurnishedHostAgent(),
  rates: { perAddress: undefined },
});
after(() => platform[Symbol.asyncDispose]());
const furnisher = await Furnisher.open(platform);
const team = await administrators(platform, furnisher);
const CAPSULE = `cl-${"a".repeat(25)}`;

let asked = 0;
async function send(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body?: string | Uint8Array,
): Promise<RawAnswer> {
  const { token } = team.people.owner;
  return await rawRequest(platform.url, {
    method,
    path,
    // Routes that need no credentials are limited by address.
    from: `127.0.${asked >> 8}.${1 + (asked++ & 127)}`,
    headers: { authorization: `Bearer ${token}`, ...headers },
    ...(body === undefined ? {} : { body }),
  });
}

interface Refusal {
  readonly reason: string;
  readonly message: string;
  readonly remedy: string;
}
function refusal({ status, text }: RawAnswer): readonly [number, string | undefined, string | undefined] {
  const error = text.startsWith('{"error"') ? (JSON.parse(text) as { error: Refusal }).error : undefined;
  return [status, error?.reason, error?.message];
}

const json = { "content-type": "application/json" };
const empty: readonly (readonly [string, Readonly<Record<string, string>>, string | undefined])[] = [
  ["with a JSON type", json, ""],
  ["with a JSON type and a charset", { "content-type": "application/json; charset=utf-8" }, ""],
  ["with a JSON type, without a length", json, undefined],
  ["with a JSON type, in chunks", { ...json, "transfer-encoding": "chunked" }, undefined],
  ["with a JSON type and a coding", { ...json, "content-encoding": "gzip" }, ""],
  ["with the type of forms", { "content-type": "application/x-www-form-urlencoded" }, ""],
  ["with the type of text", { "content-type": "text/plain" }, ""],
  ["with a malformed type", { "content-type": "nonsense" }, ""],
  ["with an empty type", { "content-type": "" }, ""],
  [
    "with a malformed type, in chunks",
    { "content-type": "nonsense", "transfer-encoding": "chunked" },
    undefined,
  ],
];
const writing = list.all().filter(({ method }) => !["GET", "HEAD", "OPTIONS"].includes(method));

test("every route that may take a body is tried", () => {
  assert.ok(writing.length > 60, `${writing.length} routes`);
  for (const method of ["POST", "PUT", "PATCH", "DELETE"])
    assert.ok(
      writing.some((route) => route.method === method),
      method,
    );
});

for (const { method, url } of writing) {
  test(`${method} ${url}: no content is no body, whatever its headers say`, async () => {
    const path = url.replace(":id", CAPSULE).replaceAll(/:\w+/g, "8080").replace("*", "x");
    await furnisher.logInOwner(team);
    const without = refusal(await send(method, path));
    assert.notEqual(without[1], "invalid_json");
    for (const [what, headers, body] of empty) {
      await furnisher.logInOwner(team);
      const answer = refusal(await send(method, path, headers, body));
      assert.deepEqual(answer, without, what);
    }
  });
}

test("routes whose body is optional take none", async () => {
  await furnisher.logInOwner(team);
  const capsule = `/v1/capsules/${team.ids.capsule}`;
  for (const [method, path, status] of [
    ["POST", `${capsule}/checkpoints`, 201],
    ["POST", `${capsule}/fork`, 201],
    ["POST", "/v1/api-keys", 201],
    ["POST", `${capsule}/pause`, 200],
    ["POST", `${capsule}/resume`, 200],
    ["DELETE", capsule, 204],
  ] as const) {
    const answer = await send(method, path, json);
    assert.equal(answer.status, status, `${path}: ${answer.text}`);
  }
});

test("a route that needs a body names what is missing", async () => {
  for (const headers of [{}, json]) {
    const answer = refusal(await send("POST", `/v1/capsules/${CAPSULE}/exec`, headers, ""));
    assert.deepEqual(answer, [400, "invalid_field", "invalid request: cmd is required"]);
    const create = refusal(await send("POST", "/v1/capsules", headers, ""));
    assert.deepEqual(create, [400, "invalid_field", "invalid request: body is required"]);
  }
});

test("content that is no JSON text is refused as such; JSON of another kind by the schema", async () => {
  for (const text of [" ", "\r\n\t ", "{", "{}{}", "nul", '{"a":1,}', "\ufeff{}x"])
    assert.deepEqual(
      refusal(await send("POST", "/v1/capsules", json, text)),
      [400, "invalid_json", "invalid JSON body"],
      JSON.stringify(text),
    );
  for (const text of ["null", " null ", "[]", "1", '"x"'])
    assert.deepEqual(
      refusal(await send("POST", "/v1/capsules", json, text)),
      [400, "invalid_field", "invalid request: body must be object"],
      JSON.stringify(text),
    );
});

test("names that would change the prototype of objects are refused", async () => {
  for (const text of [
    '{"__proto__":{"vcpus":1}}',
    '{"\\u005f_proto__":{}}',
    '{"constructor":{"prototype":{"vcpus":1}}}',
    '{"metadata":{"__proto__":{}}}',
  ]) {
    assert.deepEqual(refusal(await send("POST", "/v1/capsules", json, text)).slice(0, 2), [
      400,
      "invalid_json",
    ]);
  }
});

test("a refused field is named by its path", async () => {
  for (const [body, field] of [
    ['{"vcpus":"many"}', "vcpus"],
    ['{"network":{"allow":[7]}}', "network.allow.0"],
    ['{"name":"a b"}', "name"],
  ] as const) {
    const { text } = await send("POST", "/v1/capsules", { "content-type": "application/json" }, body);
    const { error } = JSON.parse(text) as { readonly error: { readonly field?: string } };
    assert.equal(error.field, field, text);
  }
});

test("JSON is read whatever its type says, except that of forms", async () => {
  for (const type of [
    "text/plain",
    "application/xml; charset=utf-8",
    "nonsense",
    "application/vnd.api+json",
  ]) {
    const headers = { "content-type": type };
    const read = refusal(await send("POST", "/v1/capsules", headers, '{"vcpus":"many"}'));
    assert.deepEqual(read, [400, "invalid_field", "invalid request: vcpus must be integer"], type);
    const other = refusal(await send("POST", "/v1/capsules", headers, "vcpus=1"));
    const message = `content type ${type} is not accepted here, only application/json`;
    assert.deepEqual(other, [415, "unsupported_media_type", message]);
  }
  const untyped = refusal(await send("POST", "/v1/capsules", {}, '{"vcpus":"many"}'));
  assert.deepEqual(untyped.slice(0, 2), [400, "invalid_field"]);
  for (const type of ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
    for (const [method, path] of [
      ["POST", "/v1/capsules"],
      ["DELETE", `/v1/capsules/${CAPSULE}`],
    ] as const) {
      const answer = refusal(await send(method, path, { "content-type": type }, "{}"));
      const message = `content type ${type} is not accepted here, only application/json`;
      assert.deepEqual(answer, [415, "unsupported_media_type", message]);
    }
  const large = await send("POST", "/v1/capsules", { "content-type": "text/plain" }, "x".repeat(2 << 20));
  assert.equal(large.status, 413);
  const nowhere = await send("POST", "/v1/nowhere", { "content-type": "text/plain" }, "x");
  assert.equal(refusal(nowhere)[1], "route_not_found");
});

test("content in a coding is 415, which names it, and what is accepted", async () => {
  for (const coding of ["gzip", "br"]) {
    const answer = await send(
      "POST",
      "/v1/capsules",
      { ...json, "content-encoding": coding },
      gzipSync("{}"),
    );
    assert.deepEqual(refusal(answer), [
      415,
      "unsupported_content_encoding",
      `content encoding ${coding} is not accepted here`,
    ]);
    assert.equal(answer.headers["accept-encoding"], "identity");
  }
  const plain = await send("POST", "/v1/capsules", { ...json, "content-encoding": "Identity" }, "[]");
  assert.equal(refusal(plain)[1], "invalid_field");
});

test("a body that is too large is 413, however it is sent", async () => {
  const text = JSON.stringify({ template: "x".repeat(2 << 20) });
  assert.equal((await send("POST", "/v1/capsules", json, text)).status, 413);
  const chunked = await fetch(`${platform.url}/v1/capsules`, {
    method: "POST",
    headers: { ...json, authorization: `Bearer ${team.people.owner.token}` },
    body: new Blob([text]).stream(),
    duplex: "half",
  });
  assert.equal(chunked.status, 413);
});
