import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { Duplex } from "node:stream";
import { test } from "node:test";
import { newId, systemRandom } from "@wrenn/core";
import { endWith } from "../src/http/messages.ts";
import type { EdgeResponse } from "../src/http/messages.ts";
import { ask, rawClient } from "./support/http-client.ts";
import { startByteService, startService, startTestEdge } from "./support/test-edge.ts";

test("names of ports are read whatever their case, dot or port suffix; others are left alone", async (t) => {
  const { port } = await startService(t, (_request, response) => response.end("here"));
  const edge = await startTestEdge(t);
  const get = async (host: string) => ask({ port: edge.server.port, host });
  const name = edge.host(port);
  for (const host of [name, name.toUpperCase(), `${name}.`, `${name}:8080`]) {
    assert.equal((await get(host)).body, "here", host);
  }
  for (const host of [
    "wrenn.test",
    "api.wrenn.test",
    name.replace("wrenn.test", "evil.test"),
    "[::1]:80",
    "",
  ]) {
    assert.equal((await get(host)).status, 404, host);
    assert.equal((await get(host)).headers["x-wrenn-error"], undefined, host);
  }
});

test("wrong ports, wrong ids, reserved ports and unknown capsules have their own errors", async (t) => {
  const edge = await startTestEdge(t, { reservedPorts: [50_000] });
  const id = edge.capsuleId;
  for (const [label, status, reason] of [
    [`0-${id}`, 400, "port_invalid"],
    [`65536-${id}`, 400, "port_invalid"],
    [`${"9".repeat(30)}-${id}`, 400, "port_invalid"],
    ["80-cl-short", 400, "invalid_id"],
    [`80-cl-${"z".repeat(25)}`, 400, "invalid_id"],
    [`49983-${id}`, 403, "port_reserved"],
    [`50000-${id}`, 403, "port_reserved"],
    [`80-${newId("capsule", systemRandom)}`, 404, "capsule_not_found"],
    [`1-${id}`, 502, "port_not_listening"],
  ] as const) {
    const answer = await ask({ port: edge.server.port, host: `${label}.wrenn.test` });
    assert.equal(answer.status, status, label);
    assert.equal(answer.headers["x-wrenn-error"], reason, label);
    assert.equal((JSON.parse(answer.body) as { error: { reason: string } }).error.reason, reason);
  }
});

test("a browser gets a page, with nothing of the request in it unescaped", async (t) => {
  const edge = await startTestEdge(t);
  const answer = await ask({ port: edge.server.port, host: edge.host(1), headers: { accept: "text/html" } });
  assert.equal(answer.headers["content-type"], "text/html; charset=utf-8");
  assert.match(answer.body, /nothing listens on port 1/);
  assert.match(String(answer.headers["content-security-policy"]), /default-src 'none'/);
});

test("a paused capsule rejects requests, or is resumed once for all of them", async (t) => {
  const { port } = await startService(t, (_request, response) => response.end("awake"));
  const edge = await startTestEdge(t);
  const get = async () => ask({ port: edge.server.port, host: edge.host(port) });
  edge.route = {
    owner: "team",
    status: "paused",
    address: undefined,
    autoResume: false,
    publicPorts: "all",
  };
  const asleep = await get();
  assert.equal(asleep.status, 409);
  assert.match(asleep.body, /not running \(status: paused\)/);
  edge.route = { ...edge.route, autoResume: true };
  edge.edge.invalidate(edge.capsuleId);
  const answers = await Promise.all([get(), get(), get()]);
  assert.deepEqual(
    answers.map((answer) => answer.body),
    ["awake", "awake", "awake"],
  );
  assert.deepEqual(edge.woken, [edge.capsuleId]);
});

test("a request that may not use a private port does not resume the capsule", async (t) => {
  const edge = await startTestEdge(t);
  edge.route = {
    owner: "team",
    status: "paused",
    address: undefined,
    autoResume: true,
    publicPorts: [],
  };
  assert.equal((await ask({ port: edge.server.port, host: edge.host(80) })).status, 401);
  assert.deepEqual(edge.woken, []);
});

test("what the platform says about a capsule holds until it is invalidated", async (t) => {
  const { port } = await startService(t, (_request, response) => response.end("ok"));
  const edge = await startTestEdge(t);
  const get = async () => (await ask({ port: edge.server.port, host: edge.host(port) })).status;
  assert.equal(await get(), 200);
  edge.route = undefined;
  assert.equal(await get(), 200);
  edge.edge.invalidate(edge.capsuleId);
  assert.equal(await get(), 404);
});

test("a service that starts while a request waits is reached", async (t) => {
  const edge = await startTestEdge(t, { limits: { waitForPortMs: 5000 } });
  const probe = await startService(t, () => {});
  probe.server.close();
  const late = createServer((_request, response) => response.end("late"));
  setTimeout(() => late.listen(probe.port, "127.0.0.1"), 300);
  t.after(() => {
    late.close();
    late.closeAllConnections();
  });
  const answer = await ask({
    port: edge.server.port,
    host: edge.host(probe.port),
    method: "POST",
    body: "kept",
  });
  assert.equal(answer.body, "late");
});

test("a service that takes a connection and never answers is timed out", async (t) => {
  const port = await startByteService(t, () => {});
  const edge = await startTestEdge(t, { limits: { responseMs: 100 } });
  const answer = await ask({ port: edge.server.port, host: edge.host(port) });
  assert.equal(answer.status, 504);
  assert.equal(answer.headers["x-wrenn-error"], "port_timeout");
});

test("the path form rewrites redirects and cookie paths, and takes no sessions", async (t) => {
  let own = "";
  const { port } = await startService(t, (request, response) => {
    const [path = "", query = ""] = (request.url ?? "").split("?");
    response.setHeader("x-seen", `${request.headers.host ?? ""} ${request.url ?? ""}`);
    response.setHeader("x-prefix", String(request.headers["x-forwarded-prefix"]));
    response.setHeader("set-cookie", ["a=1; Path=/app", "b=2"]);
    if (path === "/go") response.writeHead(302, { Location: decodeURIComponent(query) });
    response.end();
  });
  own = `127.0.0.1:${port}`;
  const edge = await startTestEdge(t, { pathHost: "ports.wrenn.test" });
  const prefix = `/proxy/${edge.capsuleId}/${port}`;
  const get = async (path: string) => ask({ port: edge.server.port, host: "ports.wrenn.test", path });
  const plain = await get(`${prefix}/a%2Fb?x`);
  assert.equal(plain.headers["x-seen"], `${own} /a%2Fb?x`);
  assert.equal(plain.headers["x-prefix"], prefix);
  assert.match(String(plain.headers["content-security-policy"]), /^sandbox (?!.*allow-same-origin)/);
  assert.deepEqual(plain.headers["set-cookie"], [
    `${port}-${edge.capsuleId}.a=1; Path=${prefix}/app`,
    `${port}-${edge.capsuleId}.b=2; Path=${prefix}/`,
  ]);
  assert.equal((await get(prefix)).headers["x-seen"], `${own} /`);
  assert.equal((await get(`${prefix}?q`)).headers["x-seen"], `${own} /?q`);
  for (const [location, expected] of [
    ["/dir/", `${prefix}/dir/`],
    [`http://${own}/x?y`, `${prefix}/x?y`],
    [`http://${own}`, `${prefix}/`],
    [`http://${own}0/x`, `http://${own}0/x`],
    ["https://elsewhere.example/x", "https://elsewhere.example/x"],
    ["//elsewhere.example/x", "//elsewhere.example/x"],
    ["relative", "relative"],
  ] as const) {
    assert.equal((await get(`${prefix}/go?${encodeURIComponent(location)}`)).headers.location, expected);
  }
  assert.equal((await get(`/proxy/${edge.capsuleId}/0/`)).status, 400);
  assert.equal((await get(`/proxy/nonsense/80/`)).status, 400);
  assert.equal((await get(`/proxy/${edge.capsuleId}`)).status, 400);
});

test("the path form has a host name to itself: nothing else is there, and it is nowhere else", async (t) => {
  const { port } = await startService(t, (_request, response) => response.end("service"));
  const fallback = {
    request: (_request: unknown, response: EdgeResponse) => endWith(response, Buffer.from("platform")),
    upgrade: (_request: unknown, socket: Duplex) => void socket.end("HTTP/1.1 418 Platform\r\n\r\n"),
  };
  const off = await startTestEdge(t, { fallback });
  const on = await startTestEdge(t, { fallback, pathHost: "ports.wrenn.test" });
  const of = ({ capsuleId }: { readonly capsuleId: string }): string => `/proxy/${capsuleId}/${port}/`;
  for (const host of ["localhost", "127.0.0.1", "ports.wrenn.test", "wrenn.test"])
    assert.equal(
      (await ask({ port: off.server.port, host, path: of(off) })).body,
      "platform",
      `off: ${host}`,
    );
  for (const host of [
    "localhost",
    "wrenn.test",
    "127.0.0.1",
    "xports.wrenn.test",
    "ports.wrenn.test.evil",
    "a.ports.wrenn.test",
  ])
    assert.equal((await ask({ port: on.server.port, host, path: of(on) })).body, "platform", host);
  for (const host of ["ports.wrenn.test", "PORTS.Wrenn.Test", "ports.wrenn.test.", "ports.wrenn.test:8080"]) {
    assert.equal((await ask({ port: on.server.port, host, path: of(on) })).body, "service", host);
    for (const path of [
      "/",
      "/docs",
      "/health",
      "/v1/capsules",
      "/v1/auth/login",
      "/proxyx",
      "/%70roxy/a/1/",
      "//proxy/a/1",
    ]) {
      const answer = await ask({ port: on.server.port, host, path });
      assert.equal(answer.status, 404, path);
      assert.equal(answer.headers["x-wrenn-error"], "route_not_found", path);
    }
    const client = rawClient(t, on.server.port);
    client.socket.write(
      `GET /v1/x HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    );
    assert.match(await client.until(/\r\n\r\n/), /^HTTP\/1\.1 404 /);
  }
});
