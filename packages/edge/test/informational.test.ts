import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { text } from "node:stream/consumers";
import { eventually } from "@wrenn/core/testing";
import { rawClient } from "./support/http-client.ts";
import type { RawClient } from "./support/http-client.ts";
import { acceptField, startHttp2Lab } from "./support/http2-lab.ts";
import type { Http2Lab } from "./support/http2-lab.ts";
import { startByteService, startTestEdge } from "./support/test-edge.ts";
import type { TestEdge } from "./support/test-edge.ts";

/* Informational responses (1xx) of services reach clients that know them, in front of the response. */

const HINTS = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload; as=style\r\nX-Own: \u00e9\r\n\r\n";
const PROCESSING = "HTTP/1.1 102 Processing\r\n\r\n";
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const pathHost = "ports.wrenn.test";

/** Answers each head with `first`, and with `last` when it is told to. */
async function inTwo(
  t: TestContext,
  first: string,
  last = OK,
): Promise<{ readonly port: number; readonly finish: () => void }> {
  const finishing: (() => void)[] = [];
  const port = await startByteService(t, (socket) => {
    socket.once("data", (head: Buffer) => {
      const send = (part: string): void =>
        void socket.write(part.replace("{accept}\r\n", acceptField(head)), "latin1");
      send(first);
      finishing.push(() => send(last));
    });
  });
  return {
    port,
    finish: () => {
      for (const send of finishing.splice(0)) send();
    },
  };
}

function askRaw(t: TestContext, edge: TestEdge, port: number, fields = "", version = "1.1"): RawClient {
  const client = rawClient(t, edge.server.port);
  client.socket.write(`GET / HTTP/${version}\r\nHost: ${edge.host(port)}\r\n${fields}\r\n`);
  return client;
}

type Fields = Readonly<Record<string, unknown>>;

/** The informational heads that come on a stream, and the head of its response. */
function heads(stream: ReturnType<Http2Lab["get"]>) {
  const seen: Fields[] = [];
  stream.on("headers", (headers: Fields) => seen.push(headers));
  stream.on("continue", () => seen.push({ ":status": 100 }));
  return { seen, answered: once(stream, "response") as Promise<[Fields]> };
}

test("103 and 102 pass before the response is there, with their fields", async (t) => {
  const service = await inTwo(t, HINTS + PROCESSING);
  const edge = await startTestEdge(t);
  const client = askRaw(t, edge, service.port);
  await client.until(/^[^]*102 Processing\r\n\r\n$/);
  assert.equal(client.received(), HINTS + PROCESSING);
  service.finish();
  assert.match(await client.until(/ok$/), /102 Processing\r\n\r\nHTTP\/1.1 200 OK\r\n/);
});

test("the same over HTTP/2", async (t) => {
  const service = await inTwo(t, HINTS + PROCESSING);
  const lab = await startHttp2Lab(t);
  const stream = lab.get(service.port, "/");
  const { seen, answered } = heads(stream);
  await eventually("both have come", () => seen.length === 2);
  assert.deepEqual(
    seen.map((head) => [head[":status"], head["link"], head["x-own"]]),
    [
      [103, "</a.css>; rel=preload; as=style", "\u00e9"],
      [102, undefined, undefined],
    ],
  );
  service.finish();
  const [head] = await answered;
  assert.equal(head[":status"], 200);
  assert.equal(await text(stream), "ok");
});

test("HTTP/1.0 clients get none, also no 100", async (t) => {
  const service = await inTwo(t, `${HINTS}HTTP/1.1 100 Continue\r\n\r\n${PROCESSING}`);
  const edge = await startTestEdge(t);
  const client = askRaw(t, edge, service.port, "Expect: 100-continue\r\n", "1.0");
  await eventually("the service has the request", () => edge.inUse());
  service.finish();
  const finishing = setInterval(service.finish, 20);
  t.after(() => clearInterval(finishing));
  await client.until(/ok$/);
  assert.match(client.received(), /^HTTP\/1.1 200 OK\r\n/);
});

test("a pipelined request's informational responses wait for their turn", async (t) => {
  const slow = await inTwo(t, PROCESSING);
  const quick = await startByteService(t, (socket) => {
    socket.once("data", () => socket.write(HINTS + OK, "latin1"));
  });
  const edge = await startTestEdge(t);
  const client = rawClient(t, edge.server.port);
  client.socket.write(
    `GET /1 HTTP/1.1\r\nHost: ${edge.host(slow.port)}\r\n\r\nGET /2 HTTP/1.1\r\nHost: ${edge.host(quick)}\r\n\r\n`,
  );
  await client.until(/102 Processing\r\n\r\n$/);
  assert.equal(client.received(), PROCESSING);
  slow.finish();
  const all = await client.until(/ok[^]*ok$/);
  assert.ok(all.startsWith(`${PROCESSING}HTTP/1.1 200 OK`), all);
  assert.ok(all.split("ok")[1]?.startsWith(`${HINTS}HTTP/1.1 200 OK`), all);
});

test("they pass before an upgrade, before its refusal, and before a WebSocket of HTTP/2", async (t) => {
  const agreement = "HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{accept}\r\n\r\n";
  const edge = await startTestEdge(t);
  const lab = await startHttp2Lab(t);
  for (const [last, status] of [
    [agreement, 101],
    ["HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nok", 403],
  ] as const) {
    const service = await inTwo(t, HINTS, last);
    const client = askRaw(t, edge, service.port, "Connection: Upgrade\r\nUpgrade: websocket\r\n");
    assert.equal(await client.until(/\r\n\r\n$/), HINTS);
    service.finish();
    const rest = (await client.until(/HTTP\/1.1 (?:101|403)[^]*\r\n\r\n/)).slice(HINTS.length);
    assert.ok(rest.startsWith(`HTTP/1.1 ${status}`), rest);
    const stream = lab.open(service.port);
    const { seen, answered } = heads(stream);
    await eventually("the hints have come", () => seen.length === 1);
    service.finish();
    const [head] = await answered;
    assert.equal(head[":status"], status === 101 ? 200 : 403);
    stream.close();
  }
});

test("fields that responses may not have are not in them, nor cookies and lengths", async (t) => {
  const fields =
    "Clear-Site-Data: *\r\nAlt-Svc: h3\r\nX-Wrenn-Error: x\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n" +
    "Set-Cookie: a=1\r\nSet-Cookie: wrenn_refresh=1\r\nContent-Length: 7\r\nX-Own: 1\r\nLink: </a>; rel=preload\r\n";
  const service = await inTwo(t, `HTTP/1.1 103 Early Hints\r\n${fields}\r\n`);
  const edge = await startTestEdge(t, { pathHost });
  const client = askRaw(t, edge, service.port);
  assert.equal(
    await client.until(/\r\n\r\n$/),
    "HTTP/1.1 103 Early Hints\r\nX-Own: 1\r\nLink: </a>; rel=preload\r\n\r\n",
  );
  // What a service lets a browser load in advance is loaded as by a page of the host, which services share in the path form.
  const other = rawClient(t, edge.server.port);
  other.socket.write(`GET /proxy/${edge.capsuleId}/${service.port}/ HTTP/1.1\r\nHost: ${pathHost}\r\n\r\n`);
  assert.equal(await other.until(/\r\n\r\n$/), "HTTP/1.1 103 Early Hints\r\nX-Own: 1\r\n\r\n");
});

test("what HTTP/2 forbids in one is left out, and the response comes", async (t) => {
  const service = await inTwo(t, `HTTP/1.1 103 Early Hints\r\nETag: "1"\r\nETag: "2"\r\n\r\n`);
  const lab = await startHttp2Lab(t);
  const stream = lab.get(service.port, "/");
  const { seen, answered } = heads(stream);
  const finishing = setInterval(service.finish, 20);
  t.after(() => clearInterval(finishing));
  const [head] = await answered;
  assert.deepEqual([head[":status"], seen], [200, []]);
});

for (const [what, one] of [
  ["small", PROCESSING],
  ["large", `HTTP/1.1 103 Early Hints\r\nLink: <${"x".repeat(30_000)}>\r\n\r\n`],
] as const)
  test(`many ${what} ones are bounded in size, and the response comes`, async (t) => {
    const service = await inTwo(t, one.repeat(what === "small" ? 20_000 : 100) + OK);
    const edge = await startTestEdge(t);
    const client = askRaw(t, edge, service.port);
    const all = await client.until(/ok$/);
    assert.match(all, /\r\n\r\nHTTP\/1.1 200 OK\r\n/);
    assert.ok(all.includes(one) && all.length < 70_000, `${all.length} bytes`);
    const lab = await startHttp2Lab(t);
    const stream = lab.get(service.port, "/");
    const { seen, answered } = heads(stream);
    const [head] = await answered;
    assert.equal(head[":status"], 200);
    assert.ok(seen.length > 0 && seen.length <= 2048, `${seen.length}`);
    assert.equal(await text(stream), "ok");
  });

test("102 gives the service more time for its response", async (t) => {
  const service = await startByteService(t, (socket) => {
    socket.once("data", () => {
      let sent = 0;
      const timer = setInterval(() => {
        sent += 1;
        socket.write(sent < 8 ? PROCESSING : OK);
        if (sent >= 8) clearInterval(timer);
      }, 250);
      socket.once("close", () => clearInterval(timer));
    });
  });
  const edge = await startTestEdge(t, { limits: { responseMs: 1000 } });
  const client = askRaw(t, edge, service);
  assert.match(await client.until(/HTTP\/1.1 [25]0/), /HTTP\/1.1 20/);
});
