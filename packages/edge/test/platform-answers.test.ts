import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { ask, rawClient } from "./support/http-client.ts";
import { startHttp2Lab } from "./support/http2-lab.ts";
import { domain, startService, startTestEdge } from "./support/test-edge.ts";
import { goodLink } from "./support/test-grants.ts";

type Headers = Readonly<Record<string, unknown>>;

function assertGuarded(headers: Headers, what: string): void {
  assert.match(
    String(headers["content-security-policy"]),
    /default-src 'none';.*frame-ancestors 'none'/,
    what,
  );
  assert.doesNotMatch(String(headers["content-security-policy"]), /unsafe-/, what);
  assert.equal(headers["x-content-type-options"], "nosniff", what);
  assert.equal(headers["referrer-policy"], "no-referrer", what);
  assert.equal(headers["cross-origin-resource-policy"], "same-origin", what);
  assert.equal(headers["x-frame-options"], "DENY", what);
  assert.equal(headers["cache-control"], "no-store", what);
  assert.match(String(headers["permissions-policy"]), /camera=\(\)/, what);
  assert.ok("cross-origin-opener-policy" in headers, what);
}

async function privateEdge(t: TestContext) {
  const service = await startService(t, (_request, response) => response.end("own"));
  const edge = await startTestEdge(t, {
    access: "private",
    pathHost: `ports.${domain}`,
    signIn: () => "http://wrenn.test/sign-in",
  });
  return { edge, service };
}

test("the edge's own answers have the security headers: errors, pages, redirects and refused upgrades", async (t) => {
  const { edge, service } = await privateEdge(t);
  const host = edge.host(service.port);
  const link = edge.edge.linkQuery(
    { capsuleId: edge.capsuleId, port: service.port },
    { id: goodLink, expiresAt: Date.now() + 60_000 },
  );
  for (const [what, path, headers, status, to = host] of [
    ["refused program", "/", {}, 401],
    ["refused browser", "/", { accept: "text/html", "sec-fetch-dest": "iframe" }, 401],
    ["sign-in", "/", { accept: "text/html" }, 303],
    ["link", `/?${link}`, { accept: "text/html" }, 303],
    ["bad port", "/", {}, 400, `0-${edge.capsuleId}.${domain}`],
    ["path form", "/proxy/nothing/1/", {}, 400, `ports.${domain}`],
    ["nothing of the platform", "/docs", { accept: "text/html" }, 404, `ports.${domain}`],
    ["no platform", "/", {}, 404, domain],
  ] as const) {
    const answer = await ask({ port: edge.server.port, host: to, path, headers });
    assert.equal(answer.status, status, what);
    assertGuarded(answer.headers, what);
    assert.equal(answer.headers["strict-transport-security"], undefined, "plain HTTP promises no TLS");
  }
  const client = rawClient(t, edge.server.port);
  client.socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
  const lines = (await client.until(/\r\n\r\n/))
    .split("\r\n")
    .map((line) => /^([\w-]+): (.*)$/.exec(line) ?? []);
  assertGuarded(
    Object.fromEntries(lines.map(([, name = "", value]) => [name.toLowerCase(), value])),
    "upgrade",
  );
});

test("over TLS browsers are asked to keep to TLS, except on names that every developer's servers share", async (t) => {
  const lab = await startHttp2Lab(t, { domains: [domain, "localhost"] });
  const answerOf = async (authority: string): Promise<Headers> => {
    const [headers] = (await once(lab.session.request({ ":authority": authority }), "response")) as [Headers];
    return headers;
  };
  const strict = await answerOf(`0-${lab.edge.capsuleId}.${domain}`);
  assertGuarded(strict, "over HTTP/2");
  assert.equal(strict["strict-transport-security"], "max-age=31536000");
  for (const name of ["localhost", "localhost:8443", `0-${lab.edge.capsuleId}.localhost`])
    assert.equal((await answerOf(name))["strict-transport-security"], undefined, name);
});

test("a service's own response keeps its headers, and gets none of the platform's", async (t) => {
  const { port } = await startService(t, (_request, response) => {
    response.setHeader("content-security-policy", "default-src 'self'");
    response.end();
  });
  const edge = await startTestEdge(t);
  const { headers } = await ask({ port: edge.server.port, host: edge.host(port) });
  assert.equal(headers["content-security-policy"], "default-src 'self'");
  assert.equal(headers["x-frame-options"], undefined);
  assert.equal(headers["cache-control"], undefined);
});
