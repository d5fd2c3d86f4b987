import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startTestServer } from "../support/test-server.ts";

const server = await startTestServer();
after(() => server.close());

interface Refusal {
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly remedy: string;
    readonly request_id: string;
  };
}

const cases: readonly {
  readonly title: string;
  readonly body: unknown;
  readonly headers?: Record<string, string>;
  readonly status: number;
  readonly code: string;
  readonly message: RegExp;
}[] = [
  {
    title: "unknown template",
    body: { template: "nope" },
    status: 404,
    code: "not_found",
    message: /template not found: nope/,
  },
  {
    title: "template name with two slashes",
    body: { template: "a/b/c" },
    status: 400,
    code: "invalid_request",
    message: /template/,
  },
  {
    title: "malformed JSON",
    body: '{"template":',
    status: 400,
    code: "invalid_request",
    message: /^invalid JSON body$/,
  },
  { title: "empty body", body: "", status: 400, code: "invalid_request", message: /body is required$/ },
  {
    title: "a list instead of an object",
    body: [],
    status: 400,
    code: "invalid_request",
    message: /body|object/,
  },
  {
    title: "vcpus of the wrong type",
    body: { vcpus: "two" },
    status: 400,
    code: "invalid_request",
    message: /vcpus/,
  },
  { title: "absurd vcpus", body: { vcpus: 100_000 }, status: 400, code: "invalid_request", message: /vcpus/ },
  {
    title: "absurd memory",
    body: { memory_mb: 1e12 },
    status: 400,
    code: "invalid_request",
    message: /memory_mb/,
  },
  {
    title: "memory too small to boot",
    body: { memory_mb: 1 },
    status: 400,
    code: "invalid_request",
    message: /memory_mb/,
  },
  {
    title: "negative timeout",
    body: { timeout_sec: -5 },
    status: 400,
    code: "invalid_request",
    message: /timeout_sec/,
  },
  {
    title: "unknown key",
    body: {},
    headers: { "x-api-key": "wrn_00000000000000000000000000000000" },
    status: 401,
    code: "unauthorized",
    message: /^invalid API key$/,
  },
  {
    title: "no key",
    body: {},
    headers: { "x-api-key": "" },
    status: 401,
    code: "unauthorized",
    message: /X-API-Key/,
  },
  {
    title: "huge body",
    body: { template: "x".repeat(20 << 20) },
    status: 413,
    code: "too_large",
    message: /larger than/,
  },
];

for (const { title, body, headers, status, code, message } of cases) {
  test(`create: ${title} is ${status} ${code}, and nothing is created`, async () => {
    const answer = await server.call<Refusal>("POST", "/v1/capsules", body, headers);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    assert.equal(answer.body.error.code, code);
    assert.match(answer.body.error.message, message);
    assert.match(answer.body.error.remedy, /\.$/);
    assert.equal(answer.headers.get("x-request-id"), answer.body.error.request_id);
    assert.deepEqual((await server.call("GET", "/v1/capsules")).body, []);
    assert.deepEqual(await server.server.hostAgent.listCapsules(AbortSignal.timeout(5000)), []);
  });
}

test("unknown fields are ignored, zero and negative sizes mean the defaults", async (t) => {
  const id = await server.capsule(t, { vcpus: 0, memory_mb: -1, colour: "blue" });
  const { body } = await server.call<{ vcpus: number; memory_mb: number }>("GET", `/v1/capsules/${id}`);
  assert.deepEqual([body.vcpus, body.memory_mb], [1, 512]);
});

test("bad ids are 400 with the contract's text, foreign or unknown ones 404", async () => {
  for (const path of [
    "/v1/capsules/cl-x",
    "/v1/capsules/_x",
    `/v1/capsules/${"0".repeat(28)}`,
    `/v1/capsules/cl-${"z".repeat(25)}`,
  ]) {
    const answer = await server.call<Refusal>("GET", path);
    assert.deepEqual(
      [answer.status, answer.body.error.code, answer.body.error.message],
      [400, "invalid_request", "invalid sandbox ID"],
    );
  }
  const unknown = await server.call<Refusal>("GET", `/v1/capsules/cl-${"0".repeat(25)}`);
  assert.deepEqual([unknown.status, unknown.body.error.message], [404, "sandbox not found"]);
});

test("calls without a body may name a content type", async () => {
  const id = await server.capsule(undefined);
  const json = { "content-type": "application/json" };
  const call = async (method: string, path: string): Promise<number> =>
    (await server.call(method, `/v1/capsules/${id}${path}`, undefined, json)).status;
  assert.deepEqual(
    [await call("POST", "/checkpoints"), await call("POST", "/pause"), await call("POST", "/resume")],
    [201, 200, 200],
  );
  assert.equal(await call("DELETE", ""), 204);
  const { body } = await server.call<{ status: string }>("GET", `/v1/capsules/${id}`);
  assert.equal(body.status, "stopped");
});

test("unknown routes and methods answer in the envelope", async () => {
  const route = await server.call<Refusal>("GET", "/v1/nothing");
  assert.deepEqual([route.status, route.body.error.code], [404, "not_found"]);
});

test("health, the OpenAPI document and the reference page need no key", async () => {
  const health = await fetch(new URL("/health", server.server.url));
  const body = (await health.json()) as { status: string; version: string };
  assert.deepEqual([health.status, body.status], [200, "ok"]);
  assert.match(body.version, /^\d+\.\d+\.\d+/);
  const openapi = (await (await fetch(new URL("/openapi.json", server.server.url))).json()) as {
    openapi: string;
    paths: Record<string, unknown>;
  };
  assert.match(openapi.openapi, /^3\.1/);
  assert.ok(openapi.paths["/v1/capsules/{id}/exec"]);
  assert.equal((await fetch(new URL("/docs", server.server.url))).status, 200);
});
