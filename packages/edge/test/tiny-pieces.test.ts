import assert from "node:assert/strict";
import { connect } from "node:net";
import { connect as connectHttp2 } from "node:http2";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { EdgeFallback } from "@wrenn/edge";
import { localTls } from "./support/http2-lab.ts";
import { startTestEdge } from "./support/test-edge.ts";

const BYTES = 50_000;

/** A platform that reads a body only after a while, and counts its pieces. */
function slowPlatform() {
  const { promise, resolve, reject } = Promise.withResolvers<{ pieces: number; bytes: number }>();
  const fallback: EdgeFallback = {
    request: (request, response) => {
      const count = async () => {
        await delay(2000);
        let [pieces, bytes] = [0, 0];
        for await (const piece of request as AsyncIterable<Buffer>) {
          pieces++;
          bytes += piece.length;
        }
        response.statusCode = 204;
        response.end();
        return { pieces, bytes };
      };
      count().then(resolve, reject);
    },
    upgrade: (_request, socket) => socket.destroy(),
  };
  return { fallback, counted: promise };
}

async function startSlow(t: TestContext, isSecure: boolean) {
  const { fallback, counted } = slowPlatform();
  const edge = await startTestEdge(t, { fallback, ...(isSecure ? { tls: await localTls(t) } : {}) });
  return { port: edge.server.port, counted };
}

test("a body in chunks of one byte that is not read yet waits as a few large pieces", async (t) => {
  const { port, counted } = await startSlow(t, false);
  const client = connect(port, "127.0.0.1").on("error", () => undefined);
  t.after(() => client.destroy());
  client.write("PUT / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
  client.write(`${"1\r\nx\r\n".repeat(BYTES)}0\r\n\r\n`);
  const { pieces, bytes } = await counted;
  assert.equal(bytes, BYTES);
  assert.ok(pieces < 40, `${pieces} pieces`);
});

test("so does one of HTTP/2 in frames of one byte", async (t) => {
  const { port, counted } = await startSlow(t, true);
  const session = connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
  session.on("error", () => undefined);
  t.after(() => session.destroy());
  const stream = session.request({ ":method": "PUT", ":path": "/" });
  stream.on("error", () => undefined);
  // Written together they would be one frame.
  for (let n = 0; n < 5000; n++) await new Promise((resolve) => stream.write("x", resolve));
  stream.end();
  const { pieces, bytes } = await counted;
  assert.equal(bytes, 5000);
  assert.ok(pieces < 40, `${pieces} pieces`);
});
