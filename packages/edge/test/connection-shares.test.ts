import assert from "node:assert/strict";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { systemClock } from "@wrenn/core";
import { ClientConnections, defaultListenerLimits } from "@wrenn/edge";
import { echo, openOf, peer, peers } from "./support/peer.ts";
import type { Peer } from "./support/peer.ts";
import { startService, startTestEdge } from "./support/test-edge.ts";
import type { TestEdge } from "./support/test-edge.ts";
import { goodKey, goodLink, goodToken } from "./support/test-grants.ts";

/* Who gets the connections of a server, and who loses theirs. */

/** Requests to a port of the test's capsule; the team of `X-Team` owns it. */
const asked = (edge: TestEdge, port: number, path: string, team?: string): string =>
  `GET ${path} HTTP/1.1\r\nHost: ${edge.host(port)}\r\nX-API-Key: ${goodKey}\r\n${team === undefined ? "" : `X-Team: ${team}\r\n`}\r\n`;

/** A service that answers, except requests for /wait. */
async function startWaitingService(t: TestContext) {
  const waiting: ServerResponse[] = [];
  const { port } = await startService(t, (request, response) => {
    if (request.url?.startsWith("/wait") === true) waiting.push(response);
    else response.end("served");
  });
  return { port, waiting };
}

test("an address keeps its share of connections without credentials, and other addresses are served", async (t) => {
  const { server } = await startTestEdge(t, { fallback: echo, listener: { perNetwork: 8, graceMs: 200 } });
  const flood = await peers(t, 24, server.port);
  await eventually("eight connections are left", () => openOf(flood) === 8);
  const other = await peer(t, server.port, "127.0.0.2");
  other.socket.write("GET / HTTP/1.1\r\nHost: api\r\n\r\n");
  await eventually("the answer", () => /200 OK[^]*got 0/.test(other.received));
});

test("a burst beyond the share never holds more than four times as much", async (t) => {
  const { server, connections } = await startTestEdge(t, { listener: { perNetwork: 8, graceMs: 60_000 } });
  const flood = await peers(t, 60, server.port);
  await eventually("32 connections are left", () => openOf(flood) === 32);
  assert.equal(connections.count, 32);
});

test("connections that show credentials stay, however many they are", async (t) => {
  const { port } = await startService(t, (_request, response) => response.end("served"));
  const edge = await startTestEdge(t, {
    access: "private",
    listener: { perNetwork: 8, graceMs: 300, anonymousKeepAliveMs: 1000 },
  });
  const clients = await peers(t, 30, edge.server.port);
  for (const { socket } of clients) socket.write(asked(edge, port, "/"));
  await eventually("all are served", () => clients.every(({ received }) => received.includes("served")));
  const silent = await peers(t, 8, edge.server.port);
  await eventually("the silent ones end", () => openOf(silent) === 0);
  // Longer than answers say to everyone, who may have no credentials.
  await delay(2500);
  assert.equal(openOf(clients), 30);
});

test("when the listener is full, connections without credentials lose their place, of the largest crowd first", async (t) => {
  const { port } = await startService(t, (_request, response) => response.end("served"));
  const edge = await startTestEdge(t, { access: "private", listener: { connections: 40 } });
  const authenticated = await peers(t, 8, edge.server.port, "127.0.0.4");
  for (const { socket } of authenticated)
    socket.write(`GET / HTTP/1.1\r\nHost: ${edge.host(port)}\r\nX-API-Key: ${goodKey}\r\n\r\n`);
  await eventually("all with a key are served", () =>
    authenticated.every(({ received }) => received.includes("served")),
  );
  const few = await peers(t, 2, edge.server.port, "127.0.0.3");
  const crowd = await peers(t, 30, edge.server.port, "127.0.0.2");
  await eventually("the listener is full", () => edge.connections.count === 40);
  const late = await peers(t, 5, edge.server.port, "127.0.0.5");
  await eventually("some of the crowd end", () => openOf(crowd) < 30);
  assert.deepEqual([openOf(authenticated), openOf(few), openOf(late)], [8, 2, 5]);
  assert.ok(edge.connections.count <= 40);
});

test("one team has a share of the connections: beyond it idle ones of the team end, and without any it is refused", async (t) => {
  const { port, waiting } = await startWaitingService(t);
  const edge = await startTestEdge(t, { access: "private", listener: { connections: 40, perOwner: 10 } });
  const idle = await peers(t, 10, edge.server.port);
  for (const { socket } of idle) socket.write(asked(edge, port, "/"));
  await eventually("all are served", () => idle.every(({ received }) => received.includes("served")));
  // From another address: the share is the team's, wherever its clients are.
  const busy = await peers(t, 10, edge.server.port, "127.0.0.2");
  for (const { socket } of busy) socket.write(asked(edge, port, "/wait"));
  await eventually("all wait, in place of those that were idle", () => waiting.length === 10);
  assert.deepEqual([openOf(idle), openOf(busy)], [0, 10]);
  const [more] = await peers(t, 1, edge.server.port, "127.0.0.3");
  more?.socket.write(asked(edge, port, "/"));
  await eventually("one more is refused", () =>
    /^HTTP\/1\.1 429[^]*Retry-After: 1[^]*connections_full/.test(more?.received ?? ""),
  );
  assert.equal(openOf(busy), 10);
});

test("teams that use all connections leave a part to others, who are served", async (t) => {
  const { port, waiting } = await startWaitingService(t);
  const edge: TestEdge = await startTestEdge(t, {
    access: "private",
    fallback: echo,
    listener: { connections: 40, perOwner: 10 },
    onAuthenticated: ({ socket, headers }, _owner, grant) =>
      edge.connections.authenticated(socket, String(headers["x-team"]), grant),
  });
  const busy: Peer[] = [];
  for (const team of ["a", "b", "c", "d"]) {
    const its = await peers(t, 10, edge.server.port);
    for (const { socket } of its) socket.write(asked(edge, port, "/wait", team));
    busy.push(...its);
  }
  await eventually("all connections are in use", () => waiting.length === 40);
  const stranger = await peer(t, edge.server.port, "127.0.0.3");
  stranger.socket.write("GET /health HTTP/1.1\r\nHost: api\r\n\r\n");
  await eventually("one without credentials is served", () => stranger.received.includes("got 0"));
  // Each is served while those before it keep their connections.
  const late: Peer[] = [];
  for (let count = 1; count <= 4; count += 1) {
    const one = await peer(t, edge.server.port, "127.0.0.2");
    one.socket.write(asked(edge, port, "/wait", "e"));
    late.push(one);
    await eventually("one of another team is served", () => waiting.length === 40 + count);
  }
  assert.equal(openOf(late), 4);
  assert.ok(openOf(busy) >= 35, String(openOf(busy)));
});

test("visitors with a link take no connections of the team", async (t) => {
  const { port, waiting } = await startWaitingService(t);
  const edge = await startTestEdge(t, { access: "private", listener: { connections: 40, perOwner: 10 } });
  const link = edge.edge.linkQuery(
    { capsuleId: edge.capsuleId, port },
    { id: goodLink, expiresAt: Date.now() + 60_000 },
  );
  const visitors = await peers(t, 12, edge.server.port, "127.0.0.2");
  for (const { socket } of visitors.slice(0, 6))
    socket.write(`GET /wait?${link} HTTP/1.1\r\nHost: ${edge.host(port)}\r\n\r\n`);
  for (const { socket } of visitors.slice(6))
    socket.write(
      `GET /wait HTTP/1.1\r\nHost: ${edge.host(port)}\r\nCookie: wrenn_port=${link.split("=")[1]}\r\nOrigin: http://${edge.host(port)}\r\n\r\n`,
    );
  await eventually("twelve visitors wait", () => waiting.length === 12);
  const member = await peer(t, edge.server.port);
  member.socket.write(asked(edge, port, "/"));
  await eventually("a member is served", () => member.received.includes("served"));
});

test("connections of a key that ended count for their network, whatever they go on with", async (t) => {
  const { port, waiting } = await startWaitingService(t);
  let access: "private" | "public" = "private";
  const edge = await startTestEdge(t, { listener: { connections: 40, perOwner: 10 } });
  if (edge.route)
    edge.route = {
      ...edge.route,
      get publicPorts() {
        return access === "public" ? ("all" as const) : [];
      },
    };
  const former = await peers(t, 10, edge.server.port);
  for (const { socket } of former) socket.write(asked(edge, port, "/"));
  await eventually("all are served", () => former.every(({ received }) => received.includes("served")));
  access = "public";
  edge.invalidate();
  for (const { socket } of former) socket.write(`GET /wait HTTP/1.1\r\nHost: ${edge.host(port)}\r\n\r\n`);
  await eventually("all wait at a public port", () => waiting.length === 10);
  edge.grants.end("key");
  access = "private";
  edge.invalidate();
  const member = await peer(t, edge.server.port, "127.0.0.2");
  member.socket.write(
    `GET / HTTP/1.1\r\nHost: ${edge.host(port)}\r\nAuthorization: Bearer ${goodToken}\r\n\r\n`,
  );
  await eventually("a member is served", () => member.received.includes("served"));
  assert.equal(openOf(former), 10);
  assert.equal(edge.grants.count("key"), 0);
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

function socketFrom(remoteAddress: string, remotePort: number): Socket {
  const ends = { remoteAddress, remotePort, localAddress: "::1", localPort: 1 };
  return Object.defineProperties(
    new Socket(),
    Object.fromEntries(Object.entries(ends).map(([name, value]) => [name, { value }])),
  );
}

test("the end of a connection does not concern a later one with the same ends", async () => {
  const connections = new ClientConnections({ ...defaultListenerLimits, connections: 1 }, systemClock);
  const first = socketFrom("192.0.2.1", 1000);
  connections.admit(first);
  const later = socketFrom("192.0.2.1", 1000);
  const admitted = connections.admit(later);
  assert.ok(first.destroyed && admitted);
  // The first is only now seen to have closed.
  await once(first, "close");
  assert.equal(connections.find(later), admitted);
  connections.closeAll();
});

test("IPv6 addresses of one network of 64 bits share its connections, and those of 48 bits have four times as many", () => {
  const limits = { ...defaultListenerLimits, perNetwork: 2, perSite: 8, graceMs: 60_000 };
  const connections = new ClientConnections(limits, systemClock);
  let remotePort = 1000;
  const admitted = (remoteAddress: string): boolean => {
    remotePort += 1;
    return connections.admit(socketFrom(remoteAddress, remotePort)) !== undefined;
  };
  const count = (addresses: readonly string[]): number => addresses.filter(admitted).length;
  const many = Array.from({ length: 60 }, (_, n) => n.toString(16));
  // Four times the share for a moment, as for every network.
  assert.equal(count(many.map((n) => `2001:db8:1:1::${n}`)), 8);
  assert.equal(count(many.map((n) => `2001:db8:2:${n}::1`)), 32);
  assert.equal(admitted("2001:db8:3::1"), true);
  connections.closeAll();
});
