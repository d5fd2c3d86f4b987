/* Drawn: packages/edge/test shows the same without machines. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:http2";
import { after, before, test } from "node:test";
import { copyServices, startService } from "../support/guest-services.ts";
import { RawClient } from "../support/raw-client.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

const PORT = 8080;
/** Half-open connections of one client; the edge gives a header ten seconds. */
const TRICKLES = process.env["WRENN_TEST_LONG"] === "1" ? 1000 : 100;

let server: TestServer;
let host: string;
/** The lines that every request starts with. */
let head: string;
before(async () => {
  server = await startTestServer({ config: { tls: { host: "127.0.0.1", port: 0 } } });
  const id = await server.capsule(undefined);
  host = `${PORT}-${id}.localhost`;
  head = `Host: ${host}\r\nX-API-Key: ${server.apiKey}\r\n`;
  await copyServices(server, id);
  await startService(server, id, { name: "http_manners", port: PORT });
});
after(() => server.close());

test("server-sent events arrive when they are sent", async (t) => {
  const client = await RawClient.open(t, server.url);
  client.socket.write(`GET /events HTTP/1.1\r\n${head}Accept: text/event-stream\r\n\r\n`);
  await client.until(/data: first\n\n/);
  assert.doesNotMatch(client.text, /second/);
  const release = await RawClient.open(t, server.url);
  release.socket.write(`GET /release HTTP/1.1\r\n${head}\r\n`);
  await client.until(/data: second\n\n/);
});

test("pipelined requests are answered in their order", async (t) => {
  const client = await RawClient.open(t, server.url);
  const paths = Array.from({ length: 20 }, (_, index) => `/n/${index}`);
  client.socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\n${head}\r\n`).join(""));
  await client.until(/\/n\/19$/);
  assert.deepEqual(client.text.match(/\/n\/\d+/g), paths);
});

test("a chunked body and the trailers of both sides pass", async (t) => {
  const client = await RawClient.open(t, server.url);
  client.socket.write(
    `POST /chunked HTTP/1.1\r\n${head}TE: trailers\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n` +
      "3\r\nabc\r\n4\r\ndefg\r\n0\r\nX-Sum: 7 bytes\r\n\r\n",
  );
  await client.until(/\r\n7\r\nabcdefg\r\n0\r\nX-Seen: 7 bytes\r\n\r\n$/i);
});

test("the service decides about Expect: 100-continue", async (t) => {
  const expecting = (path: string): string =>
    `POST ${path} HTTP/1.1\r\n${head}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n`;
  const willing = await RawClient.open(t, server.url);
  willing.socket.write(expecting("/accept"));
  await willing.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
  willing.socket.write("hello");
  await willing.until(/HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nhello$/);
  const refused = await RawClient.open(t, server.url);
  refused.socket.write(expecting("/refuse"));
  await refused.until(/^HTTP\/1\.1 417 [^]*\r\n\r\nnot that$/);
});

test(
  "clients that trickle their headers are cut off, and others are served meanwhile",
  { timeout: 120_000 },
  async (t) => {
    const slow = await Promise.all(Array.from({ length: TRICKLES }, () => RawClient.open(t, server.url)));
    for (const { socket } of slow) socket.write(`GET /n/slow HTTP/1.1\r\n${head}X-Slow: `);
    const trickle = setInterval(
      () => slow.forEach(({ socket }) => socket.writable && socket.write("x")),
      1000,
    );
    try {
      const quick = await RawClient.open(t, server.url);
      quick.socket.write(`GET /n/quick HTTP/1.1\r\n${head}\r\n`);
      await quick.until(/\/n\/quick$/);
      assert.ok(
        slow.every(({ socket }) => !socket.readableEnded),
        "they are still there",
      );
      await Promise.all(slow.map(async ({ socket }) => socket.closed || (await once(socket, "close"))));
    } finally {
      clearInterval(trickle);
    }
    for (const { text } of slow) assert.doesNotMatch(text, /\/n\/slow|HTTP\/1\.1 2/);
  },
);

test("a client of HTTP/2 has many streams on one connection", async (t) => {
  const { secure } = server.server;
  assert.ok(secure);
  // The authority is a test of its own (tls.test.ts).
  const session = connect(secure.url, { rejectUnauthorized: false });
  t.after(() => session.destroy());
  const answers = await Promise.all(
    Array.from({ length: 50 }, async (_, index) => {
      const stream = session.request({
        ":path": `/n/${index}`,
        ":authority": `${host}:${new URL(secure.url).port}`,
        "x-api-key": server.apiKey,
      });
      let text = "";
      for await (const part of stream.setEncoding("utf8")) text += String(part);
      return text;
    }),
  );
  assert.deepEqual(
    answers,
    Array.from({ length: 50 }, (_, index) => `/n/${index}`),
  );
});
