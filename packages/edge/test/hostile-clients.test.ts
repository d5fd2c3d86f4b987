import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { rawClient } from "./support/http-client.ts";
import { startByteService, startService, startTestEdge } from "./support/test-edge.ts";

/** Requests that two parsers could split differently. None may reach the service, and the connection must end. */
const smuggled: Readonly<Record<string, readonly [head: string, body: string]>> = {
  "length and chunks": [
    "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
    "0\r\n\r\nGET /smuggled HTTP/1.1\r\n",
  ],
  "two lengths": ["Content-Length: 4\r\nContent-Length: 5\r\n", "abcde"],
  "a list of lengths": ["Content-Length: 4, 5\r\n", "abcde"],
  "a signed length": ["Content-Length: +4\r\n", "abcd"],
  "a hexadecimal length": ["Content-Length: 0x4\r\n", "abcd"],
  "an endless length": [`Content-Length: ${"9".repeat(30)}\r\n`, "abcd"],
  "chunked not last": ["Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"],
  "an unknown coding": ["Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"],
  "a space before the colon": ["Transfer-Encoding : chunked\r\n", "0\r\n\r\n"],
  "a folded field": ["X-A: 1\r\n Transfer-Encoding: chunked\r\n", "0\r\n\r\n"],
  "a bare line feed": ["X-A: 1\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"],
  "a bare carriage return": ["X-A: 1\rTransfer-Encoding: chunked\r\n", "0\r\n\r\n"],
  "a NUL in a value": ["X-A: 1\u00002\r\n", ""],
  "two hosts": ["Host: other.example\r\nConnection: close\r\n", ""],
  "headers that are too large": [`X-A: ${"a".repeat(70 << 10)}\r\n`, ""],
};

for (const [name, [head, body]] of Object.entries(smuggled)) {
  test(`refused before it reaches a service: ${name}`, async (t) => {
    let reached = 0;
    const { port } = await startService(t, (_request, response) => {
      reached += 1;
      response.end("reached");
    });
    const edge = await startTestEdge(t);
    const client = rawClient(t, edge.server.port);
    client.socket.write(`POST / HTTP/1.1\r\nHost: ${edge.host(port)}\r\n${head}\r\n${body}`, "latin1");
    await client.closed();
    assert.match(client.received(), /^(?:HTTP\/1\.1 (?:400|431)|$)/);
    assert.equal(reached, 0);
  });
}

for (const [name, body] of Object.entries({
  "a chunk size that is no number": "zz\r\nabc\r\n0\r\n\r\n",
  "a chunk longer than its size": "3\r\nabcdef\r\n0\r\n\r\n",
  "a negative chunk size": "-1\r\nabc\r\n0\r\n\r\n",
  "an endless chunk size": `${"f".repeat(20)}\r\nabc\r\n0\r\n\r\n`,
})) {
  test(`a body with ${name} never looks complete to the service`, async (t) => {
    let complete = 0;
    const { port } = await startService(t, (request, response) => {
      request.on("error", () => {});
      request.resume().on("end", () => {
        complete += 1;
        response.end();
      });
    });
    const edge = await startTestEdge(t);
    const client = rawClient(t, edge.server.port);
    client.socket.write(
      `POST / HTTP/1.1\r\nHost: ${edge.host(port)}\r\nTransfer-Encoding: chunked\r\n\r\n${body}`,
    );
    await client.closed();
    assert.equal(complete, 0);
  });
}

for (const [name, answer] of Object.entries({
  "two lengths": "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
  "no HTTP": "SSH-2.0-OpenSSH_9.2\r\n",
  "length and chunks": "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  "a bad status": "HTTP/1.1 20 OK\r\n\r\n",
  "a NUL in a field": "HTTP/1.1 200 OK\r\nX: a\u0000b\r\n\r\n",
})) {
  test(`a service that answers ${name} is reported as broken`, async (t) => {
    const port = await startByteService(t, (socket) =>
      socket.once("data", () => socket.end(answer, "latin1")),
    );
    const edge = await startTestEdge(t);
    const client = rawClient(t, edge.server.port);
    client.socket.write(`GET / HTTP/1.1\r\nHost: ${edge.host(port)}\r\nConnection: close\r\n\r\n`);
    await client.closed();
    assert.match(client.received(), /^HTTP\/1.1 502 [^]*port_hung_up/);
  });
}

test("a client that trickles its header is cut off, others are served meanwhile", async (t) => {
  const { port } = await startService(t, (_request, response) => response.end("served"));
  const edge = await startTestEdge(t, { listener: { headersMs: 500 } });
  const slow = rawClient(t, edge.server.port);
  slow.socket.write(`GET / HTTP/1.1\r\nHost: ${edge.host(port)}\r\n`);
  const drip = setInterval(() => slow.socket.write("X-A: 1\r\n"), 50);
  t.after(() => clearInterval(drip));
  const quick = rawClient(t, edge.server.port);
  quick.socket.write(`GET / HTTP/1.1\r\nHost: ${edge.host(port)}\r\n\r\n`);
  await quick.until(/served/);
  await slow.closed();
  assert.match(slow.received(), /^HTTP\/1.1 408|^$/);
});

test("many half-open connections leave room for a real one", async (t) => {
  const { port } = await startService(t, (_request, response) => response.end("served"));
  const edge = await startTestEdge(t);
  const count = process.env["WRENN_TEST_LONG"] === "1" ? 8000 : 500;
  const sockets = Array.from({ length: count }, () => connect(edge.server.port, "127.0.0.1"));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  await Promise.all(sockets.map(async (socket) => once(socket, "connect")));
  for (const socket of sockets) socket.write("GET / HT");
  const client = rawClient(t, edge.server.port);
  client.socket.write(`GET / HTTP/1.1\r\nHost: ${edge.host(port)}\r\n\r\n`);
  await client.until(/served/);
});
