import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { connect } from "node:net";
import { eventually } from "@wrenn/core/testing";
import { WebSocket, WebSocketServer } from "ws";
import fc from "fast-check";
import { rawClient } from "./support/http-client.ts";
import { startByteService, startService, startTestEdge } from "./support/test-edge.ts";

test("a WebSocket carries text and binary both ways, and close codes", async (t) => {
  const { port, server } = await startService(t, (_request, response) => response.end());
  const sockets = new WebSocketServer({ server });
  const closed = Promise.withResolvers<number>();
  sockets.on("connection", (socket, request) => {
    socket.send(`hello ${request.url ?? ""}`);
    socket.on("message", (data, binary) => socket.send(data, { binary }));
    socket.on("close", closed.resolve);
  });
  const edge = await startTestEdge(t);
  const client = new WebSocket(`ws://127.0.0.1:${edge.server.port}/chat?x=1`, {
    headers: { host: edge.host(port) },
  });
  const [hello] = (await once(client, "message")) as [Buffer];
  assert.equal(hello.toString(), "hello /chat?x=1");
  const large = Buffer.alloc(3 << 20, "wrenn");
  client.send(large);
  const [echoed, binary] = (await once(client, "message")) as [Buffer, boolean];
  assert.ok(binary && echoed.equals(large));
  client.close(4001);
  assert.equal(await closed.promise, 4001);
  sockets.close();
});

test("an upgraded connection is spliced whatever its chunks, and each direction ends on its own", async (t) => {
  const port = await startByteService(t, (socket) => {
    let head = "";
    const onHead = (chunk: Buffer): void => {
      head += chunk.toString("latin1");
      const end = head.indexOf("\r\n\r\n");
      if (end === -1) return;
      socket.removeListener("data", onHead);
      const hash = createHash("sha256");
      hash.update(Buffer.from(head.slice(end + 4), "latin1"));
      socket.write("HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: bytes\r\n\r\nready:");
      socket.on("data", (data: Buffer) => hash.update(data));
      // Answers only after the client has finished sending.
      socket.on("end", () => socket.end(hash.digest("hex")));
    };
    socket.on("data", onHead);
  });
  const edge = await startTestEdge(t);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 70_000 }), { maxLength: 12 }),
      fc.boolean(),
      async (chunks, eager) => {
        const client = rawClient(t, edge.server.port);
        const head = `GET / HTTP/1.1\r\nHost: ${edge.host(port)}\r\nConnection: upgrade\r\nUpgrade: bytes\r\n\r\n`;
        client.socket.write(head);
        // Bytes that come with the head belong to the new protocol.
        if (!eager) await client.until(/ready:/);
        for (const chunk of chunks) client.socket.write(chunk);
        client.socket.end();
        await client.closed();
        const expected = createHash("sha256").update(Buffer.concat(chunks)).digest("hex");
        assert.match(client.received(), new RegExp(`^HTTP/1.1 101 Go\r\n[^]*\r\n\r\nready:${expected}$`));
      },
    ),
    { numRuns: 25 },
  );
});

test("fields of an agreement reach the client byte by byte, whatever their encoding", async (t) => {
  const port = await startByteService(t, (socket) => {
    socket.once("data", () =>
      socket.write("HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: bytes\r\nX-Name: Zo\u00eb\r\n\r\n"),
    );
  });
  const edge = await startTestEdge(t);
  const client = rawClient(t, edge.server.port);
  client.socket.write(
    `GET / HTTP/1.1\r\nHost: ${edge.host(port)}\r\nConnection: Upgrade\r\nUpgrade: bytes\r\n\r\n`,
  );
  const head = await client.until(/\r\n\r\n/);
  assert.ok(head.includes(`X-Name: ${Buffer.from("Zo\u00eb").toString("latin1")}\r\n`), head);
});

test("a service that declines the upgrade answers as to any request", async (t) => {
  const { port } = await startService(t, (_request, response) => {
    response.writeHead(426, { "X-Reason": "no" });
    response.end("not here");
  });
  const edge = await startTestEdge(t);
  const client = rawClient(t, edge.server.port);
  client.socket.write(
    `GET / HTTP/1.1\r\nHost: ${edge.host(port)}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
  );
  await client.closed();
  assert.match(client.received(), /^HTTP\/1.1 426 [^]*X-Reason: no[^]*not here/);
});

test("an upgrade to a port where nothing listens is refused with the typed error", async (t) => {
  const edge = await startTestEdge(t);
  const client = rawClient(t, edge.server.port);
  client.socket.write(
    `GET / HTTP/1.1\r\nHost: ${edge.host(1)}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
  );
  await client.closed();
  assert.match(client.received(), /^HTTP\/1.1 502 [^]*"reason":"port_not_listening"/);
  assert.equal(edge.edge.connections.count(edge.capsuleId), 0);
});

test("a break on either side of an upgraded connection breaks the other", async (t) => {
  const broken: string[] = [];
  const port = await startByteService(t, (socket) => {
    socket.once("data", (chunk: Buffer) => {
      socket.write("HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: bytes\r\n\r\n");
      if (chunk.includes("/dies")) setTimeout(() => socket.resetAndDestroy(), 30);
      else socket.on("error", (error) => broken.push("code" in error ? String(error.code) : ""));
    });
  });
  const edge = await startTestEdge(t);
  const ask = (path: string) =>
    `GET ${path} HTTP/1.1\r\nHost: ${edge.host(port)}\r\nConnection: Upgrade\r\nUpgrade: bytes\r\n\r\n`;
  const client = connect(edge.server.port, "127.0.0.1");
  client.write(ask("/dies"));
  const [error] = (await once(client, "error")) as [Error & { code: string }];
  assert.equal(error.code, "ECONNRESET");
  const other = rawClient(t, edge.server.port);
  other.socket.write(ask("/lives"));
  await other.until(/101/);
  other.socket.resetAndDestroy();
  await eventually("the broken connection is reported", () => broken.length > 0);
  assert.deepEqual(broken, ["ECONNRESET"]);
});

test("draining waits, refuses what is new, and force ends what stays", async (t) => {
  const port = await startByteService(t, (socket) => {
    socket.once("data", () =>
      socket.write("HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: bytes\r\n\r\n"),
    );
  });
  const edge = await startTestEdge(t);
  const ask = `GET / HTTP/1.1\r\nHost: ${edge.host(port)}\r\nConnection: Upgrade\r\nUpgrade: bytes\r\n\r\n`;
  const client = rawClient(t, edge.server.port);
  client.socket.write(ask);
  await client.until(/101/);
  assert.equal(await edge.edge.connections.drain(edge.capsuleId, 50), false);
  const late = rawClient(t, edge.server.port);
  late.socket.write(ask);
  await late.closed();
  assert.match(late.received(), /503 [^]*Retry-After: 2[^]*port_draining/);
  edge.edge.connections.forceClose(edge.capsuleId);
  await client.closed();
  assert.equal(await edge.edge.connections.drain(edge.capsuleId, 1000), true);
  edge.edge.connections.reset(edge.capsuleId);
  const again = rawClient(t, edge.server.port);
  again.socket.write(ask);
  await again.until(/101/);
});

test("an upgraded connection keeps nothing of its request", async (t) => {
  const port = await startByteService(t, (socket) => {
    socket.once("data", () =>
      socket.write("HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: bytes\r\n\r\n"),
    );
  });
  const edge = await startTestEdge(t);
  const requests: WeakRef<object>[] = [];
  const { server, port: front } = await startService(t, () => {});
  server.on("upgrade", (request, socket, head) => {
    requests.push(new WeakRef(request));
    edge.edge.upgrade(request, socket, head);
  });
  const client = rawClient(t, front);
  client.socket.write(
    `GET / HTTP/1.1\r\nHost: ${edge.host(port)}\r\nConnection: Upgrade\r\nUpgrade: bytes\r\n\r\n`,
  );
  await client.until(/101/);
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  await eventually("the request is no longer referred to", () => {
    collect();
    return requests[0]?.deref() === undefined;
  });
  assert.equal(requests.length, 1);
  assert.equal(edge.edge.connections.count(edge.capsuleId), 1);
  client.socket.destroy();
});
