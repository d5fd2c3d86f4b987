import assert from "node:assert/strict";
import { after, test } from "node:test";
import { TestPlatform } from "./support/test-platform.ts";
import { webSocketCall } from "./support/web-socket-call.ts";
import type { SocketAnswer } from "./support/web-socket-call.ts";

/* Pages of other origins: an allow-list that is empty by default. */

const ORIGIN = "https://app.example.org";
const open = await TestPlatform.start({ corsOrigins: [ORIGIN, "http://localhost:5173"] });
after(() => open[Symbol.asyncDispose]());
const closed = await TestPlatform.start();
after(() => closed[Symbol.asyncDispose]());

async function ask(
  platform: TestPlatform,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
): Promise<Response> {
  return await fetch(platform.url + path, { method, headers });
}

const preflight = { "access-control-request-method": "POST", "access-control-request-headers": "x-api-key" };

test("a page of a listed origin may call the API: preflights need no credentials, errors are readable too", async () => {
  for (const path of ["/v1/capsules", "/v1/nothing", "/v1/info"]) {
    const answer = await ask(open, "OPTIONS", path, { origin: ORIGIN, ...preflight });
    assert.equal(answer.status, 204, path);
    assert.equal(answer.headers.get("access-control-allow-origin"), ORIGIN);
    const allowed = answer.headers.get("access-control-allow-headers") ?? "";
    for (const field of ["x-api-key", "authorization", "content-type", "prefer", "idempotency-key"])
      assert.ok(allowed.split(", ").includes(field), field);
    for (const verb of ["PATCH", "PUT", "DELETE"])
      assert.ok(answer.headers.get("access-control-allow-methods")?.includes(verb), verb);
    assert.equal(answer.headers.get("access-control-max-age"), "600");
  }
  for (const [path, headers, status] of [
    ["/v1/capsules", { "x-api-key": open.apiKey }, 200],
    ["/v1/capsules", {}, 401],
    ["/v1/nothing", {}, 404],
    ["/v1/%", {}, 400],
  ] as const) {
    const answer = await ask(open, "GET", path, { origin: ORIGIN, ...headers });
    assert.equal(answer.status, status, path);
    assert.equal(answer.headers.get("access-control-allow-origin"), ORIGIN);
    assert.equal(answer.headers.get("access-control-allow-credentials"), null, "no cookies");
    assert.equal(answer.headers.get("vary"), "origin");
    const exposed = answer.headers.get("access-control-expose-headers")?.split(", ") ?? [];
    for (const field of ["server-timing", "retry-after", "x-request-id", "etag", "location", "x-next-cursor"])
      assert.ok(exposed.includes(field), field);
    assert.equal(answer.headers.get("timing-allow-origin"), ORIGIN);
  }
});

test("only exact origins count, and no origin does by default", async () => {
  for (const [platform, origin] of [
    [open, "https://app.example.org.evil.example"],
    [open, "http://app.example.org"],
    [open, "https://app.example.org:8443"],
    [open, "https://evil.app.example.org"],
    [open, "null"],
    [closed, ORIGIN],
  ] as const) {
    for (const method of ["OPTIONS", "GET"]) {
      const answer = await ask(platform, method, "/v1/capsules", { origin, ...preflight });
      assert.notEqual(answer.status, 204, origin);
      assert.equal(answer.headers.get("access-control-allow-origin"), null, origin);
      assert.equal(answer.headers.get("vary"), platform === open ? "origin" : null);
    }
  }
});

test("WebSockets are opened by programs, pages of the platform and pages of listed origins", async () => {
  const path = `/v1/capsules/cl-${"a".repeat(25)}/exec/stream`;
  const openSocket = async (
    platform: TestPlatform,
    headers: Readonly<Record<string, string>>,
  ): Promise<SocketAnswer> =>
    await webSocketCall(platform.url, path, {
      headers: { "x-api-key": platform.apiKey, ...headers },
      messages: [JSON.stringify({ type: "start", cmd: "true" })],
    });
  for (const origin of ["https://evil.example", "null", "http://localhost:5174"])
    assert.equal((await openSocket(open, { origin })).status, 403, origin);
  const refused = await openSocket(closed, { origin: ORIGIN });
  assert.equal(refused.status, 403);
  assert.match(refused.messages.join(""), /foreign_page/);
  for (const headers of [
    {},
    { origin: ORIGIN },
    { origin: "https://wrenn.example.org" },
    { origin: open.url },
  ]) {
    const { status, code } = await openSocket(open, headers);
    assert.deepEqual([status, code], [101, 1011], "there is no such capsule");
  }
});

test("clients learn version, features, limits, addresses of ports, ways to sign in and the clock before they have credentials", async () => {
  const answer = await open.call("GET", "/v1/info");
  assert.equal(answer.status, 200);
  assert.deepEqual(Object.keys(answer.body).toSorted(), [
    "api_versions",
    "features",
    "limits",
    "name",
    "ports",
    "sign_in",
    "time",
    "version",
  ]);
  const { version, time, sign_in: signIn, limits, features, ports } = answer.body;
  assert.equal(version, "0.0.0");
  assert.ok(Math.abs(Date.parse(String(time)) - open.clock.now()) < 5000);
  assert.deepEqual(signIn, { password: true, device: true, sign_up: "open", providers: [] });
  assert.ok((features as string[]).includes("device_login"));
  assert.deepEqual(ports, { scheme: "http", domain: "localhost", port: 8080 });
  assert.deepEqual(limits, {
    json_body_bytes: 1 << 20,
    message_bytes: 1 << 20,
    exec_output_bytes: 8 << 20,
    exec_timeout_sec: 86_400,
    access_token_sec: 900,
  });
});
