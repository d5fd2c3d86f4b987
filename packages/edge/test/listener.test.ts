/* Drawn: it waits for real time; tests/e2e/full-listener.test.ts shows the main paths. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import { eventually } from "@wrenn/core/testing";
import type { EdgeFallback } from "@wrenn/edge";
import { ask } from "./support/http-client.ts";
import { localTls, startHttp2Lab } from "./support/http2-lab.ts";
import { echo, peer } from "./support/peer.ts";
import { startTestEdge } from "./support/test-edge.ts";
import type { TestEdge } from "./support/test-edge.ts";

test("a body that stands still is refused with 408, and one that goes on slowly is taken", async (t) => {
  const { server } = await startTestEdge(t, {
    fallback: echo,
    listener: { bodyStallMs: 1500, anonymousBodyBytes: 25 },
  });
  const head = "POST / HTTP/1.1\r\nHost: api\r\nContent-Length: 200\r\n\r\n";
  const still = await peer(t, server.port);
  still.socket.write(`${head}{`);
  const trickling = await peer(t, server.port);
  trickling.socket.write(`${head}{`);
  const slow = await peer(t, server.port);
  slow.socket.write(head);
  for (let sent = 0; sent < 200; sent += 10) {
    slow.socket.write("0123456789");
    if (trickling.isOpen) trickling.socket.write(" ");
    await delay(200);
  }
  await eventually("the answer", () => /200 OK[^]*got 200/.test(slow.received));
  for (const client of [still, trickling]) {
    assert.match(client.received, /^HTTP\/1\.1 408 [^]*"reason":"body_stalled"/);
    await eventually("its connection ends", () => !client.isOpen);
  }
});

test("a body with credentials may be slow for a while, and then only as slow as one without", async (t) => {
  const slowly: EdgeFallback = {
    request: (request, response) => {
      edge.connections.authenticated(request.socket, "team", { hold: () => () => undefined });
      echo.request(request, response);
    },
    upgrade: (_request, socket) => void socket.destroy(),
  };
  const edge: TestEdge = await startTestEdge(t, {
    fallback: slowly,
    listener: { bodyStallMs: 1000, bodyBytes: 2, anonymousBodyBytes: 50, slowBodyMs: 3000 },
  });
  const head = "POST / HTTP/1.1\r\nHost: api\r\nContent-Length: 1000\r\n\r\n";
  const dripping = await peer(t, edge.server.port);
  dripping.socket.write(head);
  const steady = await peer(t, edge.server.port);
  steady.socket.write(head);
  const started = performance.now();
  for (let sent = 0; sent < 1000; sent += 20) {
    steady.socket.write("x".repeat(20));
    if (dripping.isOpen) dripping.socket.write("x");
    else assert.ok(performance.now() - started > 3000);
    await delay(100);
  }
  await eventually("the steady one is answered", () => /200 OK[^]*got 1000/.test(steady.received));
  await eventually("the dripping one ends", () => !dripping.isOpen);
  assert.match(dripping.received, /^HTTP\/1\.1 408 [^]*"reason":"body_stalled"/);
});

test("a body that the server does not take is not the client's stall", async (t) => {
  const slow: EdgeFallback = {
    request: (request, response) => {
      setTimeout(() => echo.request(request, response), 3500);
    },
    upgrade: (request, socket, head) => echo.upgrade(request, socket, head),
  };
  const { server } = await startTestEdge(t, { fallback: slow, listener: { bodyStallMs: 1000 } });
  const client = await peer(t, server.port);
  client.socket.write(`POST / HTTP/1.1\r\nHost: api\r\nContent-Length: 1000000\r\n\r\n${"x".repeat(1e6)}`);
  await eventually("the answer", () => /200 OK[^]*got 1000000/.test(client.received));
});

test("idle connections without credentials end after their keep-alive, before and after a request", async (t) => {
  const { server } = await startTestEdge(t, { fallback: echo, listener: { anonymousKeepAliveMs: 2000 } });
  const silent = await peer(t, server.port);
  const served = await peer(t, server.port);
  served.socket.write("GET / HTTP/1.1\r\nHost: api\r\n\r\n");
  await eventually("the answer", () => /got 0/.test(served.received));
  // Answers promise no more.
  assert.match(served.received, /^Keep-Alive: timeout=2\r$/m);
  await eventually("both end", () => !silent.isOpen && !served.isOpen);
});

test("an answer that is not read ends its connection", async (t) => {
  const large: EdgeFallback = {
    request: (_request, response) => void (response as ServerResponse).end(Buffer.alloc(64 << 20)),
    upgrade: (request, socket, head) => echo.upgrade(request, socket, head),
  };
  const { server, connections } = await startTestEdge(t, {
    fallback: large,
    listener: { anonymousAnswerStallMs: 1500 },
  });
  const client = await peer(t, server.port);
  client.socket.pause();
  client.socket.write("GET / HTTP/1.1\r\nHost: api\r\n\r\n");
  await eventually("the connection is there", () => connections.count === 1);
  await eventually("the connection ends", () => connections.count === 0);
});

test("a connection with too many pipelined requests is closed; a few are answered in order", async (t) => {
  const { server } = await startTestEdge(t, { fallback: echo, listener: { pipelined: 20 } });
  const request = "GET / HTTP/1.1\r\nHost: api\r\n\r\n";
  const few = await peer(t, server.port);
  few.socket.write(request.repeat(15));
  await eventually("the few are answered", () => few.received.split("got 0").length === 16);
  const many = await peer(t, server.port);
  many.socket.write(request.repeat(500));
  await eventually("the connection of many ends", () => !many.isOpen);
});

test("TLS handshakes and HTTP/2 connections without a request end", async (t) => {
  const tls = await localTls(t);
  const { server } = await startTestEdge(t, {
    fallback: echo,
    tls,
    listener: { headersMs: 500, anonymousKeepAliveMs: 1500 },
  });
  const handshake = await peer(t, server.port);
  handshake.socket.write(Buffer.from([0x16, 0x03, 0x01]));
  const silent = connectTls({ port: server.port, rejectUnauthorized: false, ALPNProtocols: ["h2"] });
  silent.on("error", () => undefined);
  t.after(() => silent.destroy());
  let isSilentOpen = true;
  silent.on("close", () => (isSilentOpen = false)).resume();
  const session = connectHttp2(`https://localhost:${server.port}`, { rejectUnauthorized: false });
  session.on("error", () => undefined);
  t.after(() => session.destroy());
  let isSessionOpen = true;
  session.on("close", () => (isSessionOpen = false));
  await once(session, "connect");
  // Pings are not use.
  const pings = setInterval(() => {
    if (isSessionOpen) session.ping(() => undefined);
  }, 100);
  t.after(() => clearInterval(pings));
  await eventually("all three end", () => !handshake.isOpen && !isSilentOpen && !isSessionOpen);
});

test("a stream of HTTP/2 whose body stands still is refused with 408, and the others of its connection are served", async (t) => {
  const tls = await localTls(t);
  const { server } = await startTestEdge(t, { fallback: echo, tls, listener: { bodyStallMs: 1500 } });
  const session = connectHttp2(`https://localhost:${server.port}`, { rejectUnauthorized: false });
  t.after(() => session.destroy());
  const still = session.request({ ":method": "POST", ":path": "/" }, { endStream: false });
  still.write("{");
  still.on("error", () => undefined);
  const [headers] = (await once(still, "response")) as [Record<string, unknown>];
  assert.equal(headers[":status"], 408);
  const good = session.request({ ":method": "POST", ":path": "/" });
  good.end("four");
  assert.equal(await text(good), "got 4");
});

test("a connection of HTTP/2 that floods control frames ends, and others are served", async (t) => {
  const tls = await localTls(t);
  const { server } = await startTestEdge(t, { fallback: echo, tls, listener: { controlFrames: 50 } });
  const session = connectHttp2(`https://localhost:${server.port}`, { rejectUnauthorized: false });
  session.on("error", () => undefined);
  t.after(() => session.destroy());
  await once(session, "connect");
  let isOpen = true;
  session.on("close", () => (isOpen = false));
  for (let sent = 0; sent < 200 && !session.destroyed; sent += 1) {
    session.ping(() => undefined);
    if (sent % 5 === 0) await delay(5);
  }
  await eventually("the session ends", () => !isOpen);
  const other = connectHttp2(`https://localhost:${server.port}`, { rejectUnauthorized: false });
  t.after(() => other.destroy());
  assert.equal(await text(other.request({ ":path": "/" })), "got 0");
});

test("a refused body ends its connection at a port, too", async (t) => {
  const edge = await startTestEdge(t, { access: "private" });
  const answer = await ask({ port: edge.server.port, host: edge.host(1), method: "POST", body: "x" });
  assert.equal(answer.status, 401);
  const client = await peer(t, edge.server.port);
  client.socket.write(`POST / HTTP/1.1\r\nHost: ${edge.host(1)}\r\nContent-Length: 1000\r\n\r\n{`);
  await eventually("its connection ends", () => !client.isOpen);
  assert.match(client.received, /^HTTP\/1\.1 401/);
});

test("the platform sees WebSockets of HTTP/2 as the client's", async (t) => {
  const seen: unknown[] = [];
  const fallback: EdgeFallback = {
    request: (request, response) => echo.request(request, response),
    upgrade: ({ socket }, connection) => {
      seen.push(socket.remoteAddress, socket.remotePort);
      connection.destroy();
    },
  };
  const { session, edge } = await startHttp2Lab(t, { fallback });
  const stream = session.request(
    {
      ":method": "CONNECT",
      ":protocol": "websocket",
      ":scheme": "https",
      ":path": "/v1/x",
      ":authority": "api",
    },
    { endStream: false },
  );
  stream.on("error", () => undefined);
  await eventually("the upgrade", () => seen.length > 0);
  assert.deepEqual(seen, ["127.0.0.1", session.socket.localPort]);
  assert.equal(edge.connections.count, 1);
});
