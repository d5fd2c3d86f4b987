import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, get } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { connect, createServer as createHttp2Server } from "node:http2";
import type { AddressInfo, Server } from "node:net";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { leftOf } from "../../src/envd/http/exchange.ts";

/** What the clients of one server find: a response of one piece, or one that has no end. */
interface Found {
  readonly url: string;
  /** Of the last request. */
  readonly left: () => AbortSignal;
  /** Resolves when the last response has closed. */
  readonly closed: () => Promise<unknown>;
}

async function serve(t: TestContext, version: "1.1" | "2"): Promise<Found> {
  const last: { left?: AbortSignal; closed?: Promise<unknown> } = {};
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    last.left = leftOf(response);
    last.closed = once(response, "close");
    response.write("begin");
    if (request.url === "/whole") response.end();
  };
  const server: Server =
    version === "1.1"
      ? createServer(answer)
      : createHttp2Server((request, response) =>
          answer(request as unknown as IncomingMessage, response as unknown as ServerResponse),
        );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    left: () => last.left ?? assert.fail("nothing was asked"),
    closed: () => last.closed ?? assert.fail("nothing was asked"),
  };
}

test("over HTTP/1.1 a client that breaks its answer off has left, one that has all of it has not", async (t) => {
  const { url, left, closed } = await serve(t, "1.1");
  const [whole] = (await once(get(`${url}/whole`, { agent: false }), "response")) as [IncomingMessage];
  await buffer(whole);
  await closed();
  assert.equal(left().aborted, false);
  const [endless] = (await once(get(`${url}/endless`, { agent: false }), "response")) as [IncomingMessage];
  endless.on("error", () => undefined).destroy();
  await closed();
  assert.equal(left().aborted, true);
});

test("over HTTP/2 a client that breaks its answer off has left, one that has all of it has not", async (t) => {
  const { url, left, closed } = await serve(t, "2");
  const session = connect(url);
  t.after(() => session.destroy());
  await buffer(session.request({ ":path": "/whole" }));
  await closed();
  assert.equal(left().aborted, false);
  const endless = session.request({ ":path": "/endless" });
  await once(endless, "data");
  endless.close();
  await closed();
  assert.equal(left().aborted, true);
});
