import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { test } from "node:test";
import { systemClock, systemRandom } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { ClientConnections, defaultListenerLimits, listenEdge } from "@wrenn/edge";
import { ask, rawClient } from "./support/http-client.ts";
import { startByteService, startService, startTestEdge } from "./support/test-edge.ts";

test("a request reaches the service with its raw path, its host and what the edge knows about the client", async (t) => {
  const { port } = await startService(t, (request, response) => {
    response.setHeader("x-method", request.method ?? "");
    response.end(JSON.stringify({ url: request.url, headers: request.headers }));
  });
  const edge = await startTestEdge(t);
  const path = "/a%2Fb//c/../d;x?q=%20+&&=#";
  const answer = await ask({
    port: edge.server.port,
    host: edge.host(port),
    path: path.slice(0, -1),
    headers: {
      "x-forwarded-for": "6.6.6.6",
      "x-forwarded-proto": "gopher",
      "keep-alive": "timeout=9",
      te: "trailers, gzip",
    },
  });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers["x-method"], "GET");
  const seen = JSON.parse(answer.body) as { url: string; headers: Record<string, string> };
  assert.equal(seen.url, path.slice(0, -1));
  assert.equal(seen.headers["host"], edge.host(port));
  assert.equal(seen.headers["x-forwarded-for"], "127.0.0.1");
  assert.equal(seen.headers["x-forwarded-host"], edge.host(port));
  assert.equal(seen.headers["x-forwarded-proto"], "http");
  assert.equal(seen.headers["keep-alive"], undefined);
  assert.equal(seen.headers["te"], "trailers");
  assert.deepEqual(edge.activity.slice(0, 1), [edge.capsuleId]);
});

test("chunked bodies and their trailers pass both ways", async (t) => {
  const { port } = await startService(t, (request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      response.writeHead(200, { Trailer: "x-sum" });
      response.write(body);
      response.addTrailers({ "x-sum": `${body.length}/${request.trailers["x-client"] ?? ""}` });
      response.end();
    });
  });
  const edge = await startTestEdge(t);
  const client = rawClient(t, edge.server.port);
  client.socket.write(
    `POST / HTTP/1.1\r\nHost: ${edge.host(port)}\r\nTransfer-Encoding: chunked\r\nTrailer: x-client\r\n\r\n` +
      "3\r\nabc\r\n4\r\ndefg\r\n0\r\nx-client: yes\r\n\r\n",
  );
  const text = await client.until(/\r\n0\r\n[^]*\r\n\r\n$/);
  assert.match(text, /^7\r\nabcdefg\r\n0\r\nx-sum: 7\/yes\r\n\r\n$/m);
});

test("Expect: 100-continue is the service's to answer", async (t) => {
  const { port, server } = await startService(t, (request, response) => {
    request.resume().on("end", () => response.end("took it"));
  });
  let refuse = false;
  server.on("checkContinue", (request, response) => {
    if (refuse) response.writeHead(417, { "Content-Length": 0 }).end();
    else {
      response.writeContinue();
      server.emit("request", request, response);
    }
  });
  const edge = await startTestEdge(t);
  const head = `POST / HTTP/1.1\r\nHost: ${edge.host(port)}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n`;
  const willing = rawClient(t, edge.server.port);
  willing.socket.write(head);
  await willing.until(/^HTTP\/1.1 100 Continue\r\n\r\n/);
  willing.socket.write("hello");
  await willing.until(/took it/);
  refuse = true;
  const refused = rawClient(t, edge.server.port);
  refused.socket.write(head);
  const text = await refused.until(/\r\n\r\n/);
  assert.match(text, /^HTTP\/1.1 417/);
});

test("pipelined requests on one connection are answered in order", async (t) => {
  const { port } = await startService(t, (request, response) => {
    setTimeout(() => response.end(`<${request.url ?? ""}>`), request.url === "/0" ? 50 : 0);
  });
  const edge = await startTestEdge(t);
  const client = rawClient(t, edge.server.port);
  const count = 20;
  const requests = Array.from(
    { length: count },
    (_, at) => `GET /${at} HTTP/1.1\r\nHost: ${edge.host(port)}\r\n\r\n`,
  );
  client.socket.write(requests.join(""));
  const text = await client.until(new RegExp(`</${count - 1}>`));
  assert.deepEqual(
    [...text.matchAll(/<\/(\d+)>/g)].map((match) => Number(match[1])),
    Array.from({ length: count }, (_, at) => at),
  );
});

test("events of a stream arrive when they are sent, not when the stream ends", async (t) => {
  const { port } = await startService(t, (_request, response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.flushHeaders();
    setTimeout(() => response.write("data: 1\n\n"), 50);
  });
  const edge = await startTestEdge(t);
  const client = rawClient(t, edge.server.port);
  client.socket.write(`GET / HTTP/1.1\r\nHost: ${edge.host(port)}\r\n\r\n`);
  await client.until(/text\/event-stream[^]*\r\n\r\n/);
  assert.doesNotMatch(client.received(), /data: 1/);
  await client.until(/data: 1/);
  assert.equal(edge.inUse(), true);
});

test("a client that goes away ends the request at the service", async (t) => {
  const gone = Promise.withResolvers<void>();
  const { port } = await startService(t, (request, response) => {
    response.write("begin");
    request.on("close", () => gone.resolve());
  });
  const edge = await startTestEdge(t);
  const client = rawClient(t, edge.server.port);
  client.socket.write(`GET / HTTP/1.1\r\nHost: ${edge.host(port)}\r\n\r\n`);
  await client.until(/begin/);
  client.socket.destroy();
  await gone.promise;
  await eventually("the capsule is released", () => edge.edge.connections.count(edge.capsuleId) === 0);
});

for (const [name, head] of [
  ["with a length", "Content-Length: 100\r\n"],
  ["chunked", "Transfer-Encoding: chunked\r\n"],
] as const) {
  test(`a response ${name} that breaks off is never ended cleanly`, async (t) => {
    const port = await startByteService(t, (socket) => {
      socket.once("data", () => {
        socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n5\r\nhello\r\n`);
        setTimeout(() => socket.destroy(), 50);
      });
    });
    const edge = await startTestEdge(t);
    await assert.rejects(ask({ port: edge.server.port, host: edge.host(port) }), { code: "ECONNRESET" });
  });
}

test("a kept connection that the service closed is replaced without the client noticing", async (t) => {
  let served = 0;
  const port = await startByteService(t, (socket) => {
    socket.once("data", () => {
      served += 1;
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      // The next request on this connection finds it reset.
      socket.once("data", () => socket.resetAndDestroy());
    });
  });
  const edge = await startTestEdge(t);
  for (let at = 0; at < 4; at += 1) {
    assert.equal((await ask({ port: edge.server.port, host: edge.host(port) })).body, "ok");
  }
  assert.equal(served, 4);
});

test("a POST is sent once, whatever happens to its connection", async (t) => {
  let requests = 0;
  const port = await startByteService(t, (socket) => {
    socket.once("data", () => {
      requests += 1;
      socket.resetAndDestroy();
    });
  });
  const edge = await startTestEdge(t);
  const answer = await ask({ port: edge.server.port, host: edge.host(port), method: "POST", body: "x" });
  assert.equal(answer.status, 502);
  assert.equal(answer.headers["x-wrenn-error"], "port_hung_up");
  assert.equal(requests, 1);
});

test("a service that answers before it has read the body is heard", async (t) => {
  const { port } = await startService(t, (_request, response) => {
    response.writeHead(413, { Connection: "close" }).end("too much");
  });
  const edge = await startTestEdge(t);
  const client = rawClient(t, edge.server.port);
  client.socket.write(`POST / HTTP/1.1\r\nHost: ${edge.host(port)}\r\nContent-Length: 100000000\r\n\r\nabc`);
  const text = await client.until(/too much/);
  assert.match(text, /^HTTP\/1.1 413/);
  await client.closed();
});

test("requests that are not for capsules go to the fallback, which need not know about Expect", async (t) => {
  const { edge } = await startTestEdge(t);
  const front = await listenEdge({
    edge,
    host: "127.0.0.1",
    port: 0,
    connections: new ClientConnections(defaultListenerLimits, systemClock),
    clock: systemClock,
    random: systemRandom,
    fallback: {
      request: (request, response) => {
        request.resume().on("end", () => (response as ServerResponse).end("fallback"));
      },
      upgrade: (_request, socket) => socket.end("fallback upgrade"),
    },
  });
  t.after(() => front.close());
  const client = rawClient(t, front.port);
  client.socket.write("PUT / HTTP/1.1\r\nHost: api\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  await client.until(/^HTTP\/1.1 100 Continue\r\n\r\n/);
  client.socket.write("ok");
  await client.until(/200 OK[^]*fallback/);
  const other = rawClient(t, front.port);
  other.socket.write("GET / HTTP/1.1\r\nHost: api\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  await other.closed();
  assert.equal(other.received(), "fallback upgrade");
});
