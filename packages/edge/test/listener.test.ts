import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect, Socket } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { connect as connectTls } from "node:tls";
import { eventually } from "@wrenn/core/testing";
import { systemClock } from "@wrenn/core";
import { ClientConnections, defaultListenerLimits } from "@wrenn/edge";
import type { EdgeFallback } from "@wrenn/edge";
import { ask } from "./support/http-client.ts";
import { localTls, startHttp2Lab } from "./support/http2-lab.ts";
import { startService, startTestEdge } from "./support/test-edge.ts";
import { goodKey } from "./support/test-grants.ts";

interface Peer {
  readonly socket: Socket;
  received: string;
  isOpen: boolean;
}

/** A client that only ever does what the test says. */
async function peer(t: TestContext, port: number, localAddress = "127.0.0.1"): Promise<Peer> {
  const socket = connect({ port, host: "127.0.0.1", localAddress });
  const client: Peer = { socket, received: "", isOpen: true };
  const closed = (): void => {
    client.isOpen = false;
  };
  socket.on("data", (chunk) => (client.received += chunk.toString("latin1")));
  socket.on("error", closed).on("end", closed).on("close", closed);
  t.after(() => socket.destroy());
  await once(socket, "connect");
  return client;
}

async function peers(t: TestContext, count: number, port: number, from?: string): Promise<readonly Peer[]> {
  return await Promise.all(Array.from({ length: count }, async () => await peer(t, port, from)));
}

const openOf = (clients: readonly Peer[]): number => clients.filter(({ isOpen }) => isOpen).length;

/** A platform that answers once it has the whole body. */
const echo: EdgeFallback = {
  request: (request, response) => {
    const reply = response as ServerResponse;
    text(request as IncomingMessage).then(
      (body) => reply.end(`got ${body.length}`),
      () => undefined,
    );
  },
  upgrade: (_request, socket) => void socket.destroy(),
};

test("an address keeps its share of connections without credentials, and other addresses are served", async (t) => {
  const { server } = await startTestEdge(t, { fallback: echo, listener: { perNetwork: 8, graceMs: 200 } });
  const flood = await peers(t, 24, server.port);
  await eventually("openOfflood is 8", () => openOf(flood) === 8);
  const other = await peer(t, server.port, "127.0.0.2");
  other.socket.write("GET / HTTP/1.1\r\nHost: api\r\n\r\n");
  await eventually("the answer", () => /200 OK[^]*got 0/.test(other.received));
});

test("a burst beyond the share never holds more than four times as much", async (t) => {
  const { server, connections } = await startTestEdge(t, { listener: { perNetwork: 8, graceMs: 60_000 } });
  const flood = await peers(t, 60, server.port);
  await eventually("openOfflood is 32", () => openOf(flood) === 32);
  assert.equal(connections.count, 32);
});

test("connections that show credentials stay, however many they are", async (t) => {
  const { port } = await startService(t, (_request, response) => response.end("served"));
  const edge = await startTestEdge(t, {
    access: "private",
    listener: { perNetwork: 8, graceMs: 300, anonymousKeepAliveMs: 1000 },
  });
  const clients = await peers(t, 30, edge.server.port);
  for (const { socket } of clients)
    socket.write(`GET / HTTP/1.1\r\nHost: ${edge.host(port)}\r\nX-API-Key: ${goodKey}\r\n\r\n`);
  await eventually("the condition", () => clients.every(({ received }) => received.includes("served")));
  const silent = await peers(t, 8, edge.server.port);
  await eventually("openOfsilent is 0", () => openOf(silent) === 0);
  assert.equal(openOf(clients), 30);
});

test("when the listener is full, connections without credentials lose their place, of the largest crowd first", async (t) => {
  const { port } = await startService(t, (_request, response) => response.end("served"));
  const edge = await startTestEdge(t, { access: "private", listener: { connections: 40 } });
  const authenticated = await peers(t, 8, edge.server.port, "127.0.0.4");
  for (const { socket } of authenticated)
    socket.write(`GET / HTTP/1.1\r\nHost: ${edge.host(port)}\r\nX-API-Key: ${goodKey}\r\n\r\n`);
  await eventually("the condition", () => authenticated.every(({ received }) => received.includes("served")));
  const few = await peers(t, 2, edge.server.port, "127.0.0.3");
  const crowd = await peers(t, 30, edge.server.port, "127.0.0.2");
  await eventually("edge.connections.count is 40", () => edge.connections.count === 40);
  const late = await peers(t, 5, edge.server.port, "127.0.0.5");
  await eventually("the condition", () => openOf(crowd) < 30);
  assert.deepEqual([openOf(authenticated), openOf(few), openOf(late)], [8, 2, 5]);
  assert.ok(edge.connections.count <= 40);
});

test("one team has a share of the connections: beyond it idle ones of the team end, and without any it is refused", async (t) => {
  const waiting: ServerResponse[] = [];
  const { port } = await startService(t, (request, response) => {
    if (request.url === "/wait") waiting.push(response);
    else response.end("served");
  });
  const edge = await startTestEdge(t, { access: "private", listener: { connections: 40, perOwner: 10 } });
  const asked = (path: string): string =>
    `GET ${path} HTTP/1.1\r\nHost: ${edge.host(port)}\r\nX-API-Key: ${goodKey}\r\n\r\n`;
  const idle = await peers(t, 10, edge.server.port);
  for (const { socket } of idle) socket.write(asked("/"));
  await eventually("all are served", () => idle.every(({ received }) => received.includes("served")));
  // From another address: the share is the team's, wherever its clients are.
  const busy = await peers(t, 10, edge.server.port, "127.0.0.2");
  for (const { socket } of busy) socket.write(asked("/wait"));
  await eventually("all wait, in place of those that were idle", () => waiting.length === 10);
  assert.deepEqual([openOf(idle), openOf(busy)], [0, 10]);
  const [more] = await peers(t, 1, edge.server.port, "127.0.0.3");
  more?.socket.write(asked("/"));
  await eventually("one more is refused", () =>
    /^HTTP\/1\.1 429[^]*connections_full/.test(more?.received ?? ""),
  );
  assert.equal(openOf(busy), 10);
});

test("when every connection has credentials, the team with most of them loses idle ones", async (t) => {
  const { port } = await startService(t, (_request, response) => response.end("served"));
  const edge = await startTestEdge(t, { access: "private", listener: { connections: 10, perOwner: 10 } });
  const idle = await peers(t, 10, edge.server.port);
  for (const { socket } of idle)
    socket.write(`GET / HTTP/1.1\r\nHost: ${edge.host(port)}\r\nX-API-Key: ${goodKey}\r\n\r\n`);
  await eventually("all are served", () => idle.every(({ received }) => received.includes("served")));
  const late = await peers(t, 3, edge.server.port, "127.0.0.2");
  await eventually("three places are free", () => openOf(idle) === 7);
  assert.deepEqual([openOf(late), edge.connections.count], [3, 10]);
});

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
    await eventually("client.isOpen is false", () => !client.isOpen);
  }
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
  const { server } = await startTestEdge(t, { fallback: echo, listener: { anonymousKeepAliveMs: 1000 } });
  const silent = await peer(t, server.port);
  const served = await peer(t, server.port);
  served.socket.write("GET / HTTP/1.1\r\nHost: api\r\n\r\n");
  await eventually("the answer", () => /got 0/.test(served.received));
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
  await eventually("connections.count is 1", () => connections.count === 1);
  await eventually("connections.count is 0", () => connections.count === 0);
});

test("a connection with too many pipelined requests is closed; a few are answered in order", async (t) => {
  const { server } = await startTestEdge(t, { fallback: echo, listener: { pipelined: 20 } });
  const request = "GET / HTTP/1.1\r\nHost: api\r\n\r\n";
  const few = await peer(t, server.port);
  few.socket.write(request.repeat(15));
  await eventually("few.received.splitgot 0.length is 16", () => few.received.split("got 0").length === 16);
  const many = await peer(t, server.port);
  many.socket.write(request.repeat(500));
  await eventually("many.isOpen is false", () => !many.isOpen);
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
  await eventually("isOpen is false", () => !isOpen);
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
  await eventually("client.isOpen is false", () => !client.isOpen);
  assert.match(client.received, /^HTTP\/1\.1 401/);
});

test("IPv6 addresses of one network of 64 bits share its connections, and those of 48 bits have four times as many", () => {
  const limits = { ...defaultListenerLimits, perNetwork: 2, perSite: 8, graceMs: 60_000 };
  const connections = new ClientConnections(limits, systemClock);
  let remotePort = 1000;
  const admitted = (remoteAddress: string): boolean => {
    remotePort += 1;
    const ends = { remoteAddress, remotePort, localAddress: "::1", localPort: 1 };
    const socket = Object.defineProperties(
      new Socket(),
      Object.fromEntries(Object.entries(ends).map(([name, value]) => [name, { value }])),
    );
    return connections.admit(socket) !== undefined;
  };
  const count = (addresses: readonly string[]): number => addresses.filter(admitted).length;
  const many = Array.from({ length: 60 }, (_, n) => n.toString(16));
  // Four times the share for a moment, as for every network.
  assert.equal(count(many.map((n) => `2001:db8:1:1::${n}`)), 8);
  assert.equal(count(many.map((n) => `2001:db8:2:${n}::1`)), 32);
  assert.equal(admitted("2001:db8:3::1"), true);
  connections.closeAll();
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
