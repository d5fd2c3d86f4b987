import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { newId, systemRandom } from "@wrenn/core";
import { signToken } from "../src/access/signed-token.ts";
import { ask } from "./support/http-client.ts";
import type { Answer } from "./support/http-client.ts";
import { startService, startTestEdge } from "./support/test-edge.ts";
import { goodKey, goodLink } from "./support/test-grants.ts";
import type { TestEdge, TestEdgeOptions } from "./support/test-edge.ts";

interface Fixture {
  readonly edge: TestEdge;
  readonly port: number;
  readonly get: (headers?: Record<string, string>, path?: string) => Promise<Answer>;
}

async function fixture(t: TestContext, options: TestEdgeOptions = {}): Promise<Fixture> {
  const { port } = await startService(t, (request, response) => {
    response.setHeader("Set-Cookie", [
      "own=1; Path=/; Domain=wrenn.test",
      "wrenn_session=planted; Path=/",
      "__Host-wrenn_x=1",
    ]);
    response.end(JSON.stringify({ url: request.url, headers: request.headers }));
  });
  const edge = await startTestEdge(t, { access: "private", ...options });
  return {
    edge,
    port,
    get: async (headers = {}, path = "/") =>
      ask({ port: edge.server.port, host: edge.host(port), headers, path }),
  };
}

function seen(answer: Answer): { url: string; headers: Record<string, string> } {
  assert.equal(answer.status, 200, answer.body);
  return JSON.parse(answer.body) as { url: string; headers: Record<string, string> };
}

test("a private port answers nobody without a credential", async (t) => {
  const { get } = await fixture(t);
  for (const headers of [
    {},
    { "x-api-key": "wrn_wrong" },
    { authorization: "Bearer other" },
    { authorization: "Basic cGxhdGZvcm0tdG9rZW4=" },
    { cookie: "wrenn_session=bad; wrenn_port=1.2" },
  ]) {
    const answer = await get(headers);
    assert.equal(answer.status, 401);
    assert.equal((JSON.parse(answer.body) as { error: { reason: string } }).error.reason, "port_private");
  }
});

test("platform credentials open a private port and never reach the guest", async (t) => {
  const { get } = await fixture(t);
  const withKey = seen(await get({ "x-api-key": goodKey, authorization: "Basic mine" }));
  assert.equal(withKey.headers["x-api-key"], undefined);
  assert.equal(withKey.headers["authorization"], "Basic mine");
  const withBearer = seen(await get({ authorization: "Bearer platform-token" }));
  assert.equal(withBearer.headers["authorization"], undefined);
});

test("on a public port the service's own Authorization passes, the platform's does not", async (t) => {
  const { get } = await fixture(t, { access: "public" });
  assert.equal(seen(await get({ authorization: "Bearer own" })).headers["authorization"], "Bearer own");
  const platform = seen(await get({ authorization: "Bearer platform-token", "x-api-key": goodKey }));
  assert.equal(platform.headers["authorization"], undefined);
  assert.equal(platform.headers["x-api-key"], undefined);
});

test("a guest sets cookies for itself only", async (t) => {
  const { get } = await fixture(t, { access: "public" });
  assert.deepEqual((await get()).headers["set-cookie"], ["own=1; Path=/"]);
});

test("a signed link opens its port until it ends, and only that port of that capsule", async (t) => {
  const { get, edge, port } = await fixture(t);
  const target = { capsuleId: edge.capsuleId, port };
  const query = edge.edge.linkQuery(target, { id: goodLink, expiresAt: Date.now() + 60_000 });
  const direct = await get({}, `/a?x=1&${query}&y=%202`);
  assert.equal(seen(direct).url, "/a?x=1&y=%202");
  const cookie = (direct.headers["set-cookie"] ?? []).find((each) => each.startsWith("wrenn_port=")) ?? "";
  assert.match(cookie, /^wrenn_port=[^;]+; Path=\/; Expires=[^;]+; HttpOnly; SameSite=Lax$/);
  assert.equal((await get({ cookie: cookie.split(";")[0] ?? "" })).status, 200);

  const browser = await get({ accept: "text/html,*/*" }, `/a?${query}`);
  assert.equal(browser.status, 303);
  assert.equal(browser.headers.location, "/a");
  const open = await get({ accept: "text/html" }, `//evil.example/?${query}`);
  assert.equal(open.headers.location, "/evil.example/");

  for (const bad of [
    edge.edge.linkQuery(target, { id: goodLink, expiresAt: Date.now() - 1000 }),
    edge.edge.linkQuery({ ...target, port: port + 1 }, { id: goodLink, expiresAt: Date.now() + 60_000 }),
    edge.edge.linkQuery(
      { ...target, capsuleId: newId("capsule", systemRandom) },
      { id: goodLink, expiresAt: Date.now() + 60_000 },
    ),
    query.replace(/.$/, (last) => (last === "A" ? "E" : "A")),
    "wrenn_token=",
    "wrenn_token=zzz",
  ]) {
    assert.equal((await get({}, `/?${bad}`)).status, 401, bad);
  }
});

test("a link that the platform no longer knows, and one of an earlier version, are refused and say so", async (t) => {
  const { get, edge, port } = await fixture(t);
  const target = { capsuleId: edge.capsuleId, port };
  const expiresAt = Date.now() + 60_000;
  const good = `/?${edge.edge.linkQuery(target, { id: goodLink, expiresAt })}`;
  const followed = await get({}, good);
  const cookie = (followed.headers["set-cookie"] ?? []).find((each) => each.startsWith("wrenn_port="));
  const kept = { cookie: cookie?.split(";")[0] ?? "" };
  assert.equal((await get(kept)).status, 200);
  edge.grants.end("link");
  const earlier = signToken(new Uint8Array(32).fill(7), "port link", target, [], expiresAt);
  for (const path of [good, `/?wrenn_token=${earlier}`]) {
    const refused = await get({}, path);
    assert.equal(refused.status, 401);
    assert.match(refused.body, /"reason":"port_link_ended"/);
  }
  assert.equal((await get(kept)).status, 401);
  // Other credentials still count.
  assert.equal((await get({ "x-api-key": goodKey }, good)).status, 200);
});
