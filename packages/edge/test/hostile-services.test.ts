import assert from "node:assert/strict";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { ask } from "./support/http-client.ts";
import { acceptField, startHttp2Lab, statusOf } from "./support/http2-lab.ts";
import { startByteService, startTestEdge } from "./support/test-edge.ts";

const OK = "Content-Length: 2\r\n\r\nok";

/** Answers that the parser takes and that cannot be told on: in neither version of HTTP, or not in HTTP/2. */
const answers: Readonly<Record<string, readonly [answer: string, versions: readonly number[]]>> = {
  "a status above all": [`HTTP/1.1 999 Much\r\n${OK}`, [1, 2]],
  "a status below all": [`HTTP/1.1 000 Zero\r\n${OK}`, [1, 2]],
  "a control character in the reason": [`HTTP/1.1 200 O\u0001K\r\n${OK}`, [1]],
  "two content types": [`HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Type: c/d\r\n${OK}`, [2]],
  "an upgrade that nobody asked for": ["HTTP/1.1 101 Go\r\nContent-Length: 0\r\n\r\n", [1, 2]],
};

/** Answers every request with the same bytes. */
const startAnswering = async (t: Parameters<typeof startByteService>[0], answer: string): Promise<number> =>
  startByteService(t, (socket) => {
    socket.on("data", () => socket.write(answer, "latin1"));
  });

for (const [name, [answer, versions]] of Object.entries(answers)) {
  test(`a service that answers with ${name} gets a typed error, and the edge goes on`, async (t) => {
    const port = await startAnswering(t, answer);
    if (versions.includes(1)) {
      const edge = await startTestEdge(t);
      const { status, body } = await ask({ port: edge.server.port, host: edge.host(port) });
      assert.equal(status, 502);
      assert.match(body, /"reason":"port_hung_up"/);
    }
    if (versions.includes(2)) {
      const { get } = await startHttp2Lab(t);
      const stream = get(port, "/");
      assert.equal(await statusOf(stream), 502);
      assert.match(await text(stream), /"reason":"port_hung_up"/);
    }
  });
}

test("trailers of one hop do not reach HTTP/2", async (t) => {
  const port = await startAnswering(
    t,
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nKeep-Alive: 5\r\nX-Sum: 1\r\n\r\n",
  );
  const { get } = await startHttp2Lab(t);
  const stream = get(port, "/");
  const trailers: string[] = [];
  stream.on("trailers", (received: object) => trailers.push(...Object.keys(received)));
  assert.equal(await text(stream), "ok");
  assert.deepEqual(trailers, ["x-sum"]);
});

test("an agreement to a WebSocket with fields that HTTP/2 forbids is a typed error", async (t) => {
  const port = await startByteService(t, (socket) => {
    socket.on("data", (head: Buffer) => {
      const fields = `Upgrade: websocket\r\nETag: "1"\r\nETag: "2"\r\n${acceptField(head)}`;
      socket.write(`HTTP/1.1 101 Go\r\nConnection: Upgrade\r\n${fields}\r\n`);
    });
  });
  const { edge, open } = await startHttp2Lab(t);
  const stream = open(port);
  assert.equal(await statusOf(stream), 502);
  assert.match(await text(stream), /"reason":"port_hung_up"/);
  assert.ok(await edge.edge.connections.drain(edge.capsuleId, 5000));
});

test("a service that asks for a body again and again passes one of the requests on, and its answer", async (t) => {
  const port = await startAnswering(
    t,
    `${"HTTP/1.1 100 Continue\r\n\r\n".repeat(10_000)}HTTP/1.1 200 OK\r\n${OK}`,
  );
  const edge = await startTestEdge(t);
  const client = connect(edge.server.port, "127.0.0.1");
  client.write(`GET / HTTP/1.1\r\nHost: ${edge.host(port)}\r\nConnection: close\r\n\r\n`);
  const answer = await text(client);
  assert.match(answer, /200 OK/);
  assert.ok(answer.split("100 Continue").length <= 2, `${answer.length} bytes`);
});
