import assert from "node:assert/strict";
import { once } from "node:events";
import type { RequestListener } from "node:http";
import { createServer } from "node:https";
import type { Server } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { connect } from "node:net";
import { duplexPair } from "node:stream";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { eventually } from "@wrenn/core/testing";
import type { TLSSocket } from "node:tls";
import { ask, rawClient } from "./support/http-client.ts";
import { localTls } from "./support/http2-lab.ts";
import { startByteService, startService, startTestEdge } from "./support/test-edge.ts";
import type { TestEdge, TestEdgeOptions } from "./support/test-edge.ts";

/* Services that speak TLS with certificates for which nothing vouches. */

async function startSecureService(
  t: TestContext,
  listener: RequestListener,
): Promise<{ readonly server: Server; readonly port: number }> {
  const { cert, key } = await localTls(t);
  const server = createServer({ cert, key }, listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { server, port: (server.address() as AddressInfo).port };
}

async function startEdgeTo(t: TestContext, port: number, options: TestEdgeOptions = {}): Promise<TestEdge> {
  const edge = await startTestEdge(t, options);
  assert.ok(edge.route);
  edge.route = { ...edge.route, tlsPorts: [port] };
  return edge;
}

for (const throughProcess of [false, true])
  test(`requests reach a service that speaks TLS, ${throughProcess ? "through the port process" : "on kept connections"}`, async (t) => {
    const sockets = new Set<unknown>();
    const { port } = await startSecureService(t, (request, response) => {
      sockets.add(request.socket);
      const { encrypted, servername } = request.socket as TLSSocket;
      response.setHeader("x-seen", `${encrypted} ${String(servername)} ${request.headers.host ?? ""}`);
      request.pipe(response);
    });
    const edge = await startEdgeTo(t, port, { throughProcess });
    const host = edge.host(port);
    for (let count = 0; count < 2; count += 1) {
      const answer = await ask({ port: edge.server.port, host });
      assert.equal(answer.headers["x-seen"], `true false ${host}`);
    }
    assert.equal(sockets.size, 1);
    const large = Buffer.alloc(3 << 20, "wrenn");
    const echoed = await ask({ port: edge.server.port, host, method: "POST", body: large });
    assert.equal(echoed.body, large.toString());
  });

test("an upgraded connection over TLS ends each direction on its own, and breaks with its client", async (t) => {
  const { server, port } = await startSecureService(t, (_request, response) => response.end());
  const closed: Socket[] = [];
  server.on("upgrade", (_request, socket: Socket) => {
    socket.on("close", () => closed.push(socket));
    socket.on("error", () => undefined);
    socket.write("HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: bytes\r\n\r\nready:");
    let received = "";
    socket.on("data", (data: Buffer) => (received += data.toString()));
    socket.on("end", () => socket.end(received));
  });
  const edge = await startEdgeTo(t, port);
  const head = `GET / HTTP/1.1\r\nHost: ${edge.host(port)}\r\nConnection: upgrade\r\nUpgrade: bytes\r\n\r\n`;
  const polite = rawClient(t, edge.server.port);
  polite.socket.write(head);
  await polite.until(/ready:/);
  polite.socket.end("some bytes");
  await polite.closed();
  assert.match(polite.received(), /ready:some bytes$/);
  const rude = rawClient(t, edge.server.port);
  rude.socket.write(head);
  await rude.until(/ready:/);
  rude.socket.destroy();
  await eventually("both connections to the service end", () => closed.length === 2 && !edge.inUse());
});

test("a capsule of another host is reached through its host", async (t) => {
  const { port } = await startSecureService(t, (_request, response) => response.end("from afar"));
  const edge = await startEdgeTo(t, port);
  assert.ok(edge.route);
  edge.route = {
    ...edge.route,
    connect: async (to) => {
      const socket = connect(to, "127.0.0.1");
      await once(socket, "connect");
      const [near, far] = duplexPair();
      socket.pipe(far).pipe(socket);
      return near;
    },
  };
  assert.equal((await ask({ port: edge.server.port, host: edge.host(port) })).body, "from afar");
});

test("a service that resets its connection, before its answer or within, breaks that exchange alone", async (t) => {
  const raw: Socket[] = [];
  const { server, port } = await startSecureService(t, (request, response) => {
    if (request.url === "/well") response.end("well");
    else if (request.url === "/before") raw.at(-1)?.resetAndDestroy();
    else response.write("some bytes", () => raw.at(-1)?.resetAndDestroy());
  });
  server.on("connection", (socket: Socket) => raw.push(socket));
  const edge = await startEdgeTo(t, port);
  const get = async (path: string) => await ask({ port: edge.server.port, host: edge.host(port), path });
  // The first is sent again on a new connection when a kept one ends.
  assert.equal((await get("/well")).body, "well");
  const before = await get("/before");
  assert.deepEqual([before.status, before.headers["x-wrenn-error"]], [502, "port_hung_up"]);
  await assert.rejects(get("/within"));
  assert.equal((await get("/well")).body, "well");
});

test("a service that speaks no TLS, or is silent, is reported as any other that fails", async (t) => {
  const plain = await startService(t, (_request, response) => response.end());
  const silent = await startByteService(t, () => undefined);
  const edge = await startTestEdge(t, { limits: { connectMs: 300 } });
  assert.ok(edge.route);
  edge.route = { ...edge.route, tlsPorts: [plain.port, silent, 1] };
  for (const [port, status, reason] of [
    [plain.port, 502, "port_hung_up"],
    [silent, 504, "port_timeout"],
    [1, 502, "port_not_listening"],
  ] as const) {
    const answer = await ask({ port: edge.server.port, host: edge.host(port) });
    assert.deepEqual([answer.status, answer.headers["x-wrenn-error"]], [status, reason], answer.body);
  }
});
