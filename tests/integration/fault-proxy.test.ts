import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, createServer, request } from "node:http";
import type { IncomingMessage, Server } from "node:http";
import { connect, createServer as createTcpServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { after, before, test } from "node:test";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "@wrenn/core/testing";
import { FaultProxy } from "../support/fault-proxy.ts";
import type { Fault } from "../support/fault-proxy.ts";

/** Answers `/bytes/N` with N bytes, `/quiet/N` with one byte at once and another after N ms; keeps what it was asked. */
let server: Server;
let asked: string[] = [];
before(async () => {
  // A request that is cut inside is none that was asked.
  server = createServer(
    (incoming, response) => void answer(incoming, response.writeHead(200)).catch(() => {}),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});
after(() => {
  server.closeAllConnections();
  server.close();
});

async function answer(
  incoming: IncomingMessage,
  response: { write(data: string): unknown; end(data: string): unknown },
): Promise<void> {
  let length = 0;
  for await (const chunk of incoming) length += (chunk as Buffer).length;
  asked.push(`${incoming.method} ${incoming.url} ${length}`);
  const [, kind, size] = (incoming.url ?? "").split("/");
  if (kind === "quiet") {
    response.write("1");
    await sleep(Number(size));
  }
  response.end(kind === "bytes" ? "x".repeat(Number(size)) : "2");
}

async function startProxy(t: TestContext): Promise<FaultProxy> {
  asked = [];
  const proxy = await FaultProxy.start({ target: { host: "127.0.0.1", port: portOf(server) } });
  t.after(() => proxy[Symbol.asyncDispose]());
  return proxy;
}

const portOf = (one: { address(): unknown }): number => (one.address() as AddressInfo).port;

/** The body as far as it arrived, and how it ended. */
async function get(proxy: FaultProxy, path: string, agent?: Agent, body?: string): Promise<Outcome> {
  const outgoing = request(new URL(path, proxy.url), {
    agent: agent ?? false,
    method: body === undefined ? "GET" : "POST",
  });
  // What breaks after the answer began is an error of the answer as well.
  outgoing.on("error", () => {}).end(body);
  let bytes = 0;
  try {
    const [response] = (await once(outgoing, "response")) as [IncomingMessage];
    for await (const chunk of response) bytes += (chunk as Buffer).length;
    return { bytes, code: "complete" };
  } catch (error) {
    return { bytes, code: (error as NodeJS.ErrnoException).code ?? String(error) };
  }
}

interface Outcome {
  readonly bytes: number;
  readonly code: string;
}

test("without a fault everything passes, and requests are listed", async (t) => {
  const proxy = await startProxy(t);
  assert.deepEqual(await get(proxy, "/bytes/5000000"), { bytes: 5_000_000, code: "complete" });
  assert.deepEqual(await get(proxy, "/bytes/1", undefined, "x".repeat(3_000_000)), {
    bytes: 1,
    code: "complete",
  });
  assert.deepEqual(proxy.requests, ["GET /bytes/5000000", "POST /bytes/1"]);
  assert.deepEqual(asked, ["GET /bytes/5000000 0", "POST /bytes/1 3000000"]);
  const [first] = proxy.connections;
  assert.ok((first?.passed.response ?? 0) > 5_000_000);
});

const cuts: readonly (readonly [string, Fault, Partial<Outcome>, readonly string[]])[] = [
  ["before the request", { on: /bytes/, kind: "cut" }, { bytes: 0, code: "ECONNRESET" }, []],
  [
    "between request and answer",
    { on: /bytes/, kind: "cut", after: { responseBytes: 0 } },
    { bytes: 0, code: "ECONNRESET" },
    ["GET /bytes/100000 0"],
  ],
  [
    "inside the answer",
    { on: /bytes/, kind: "cut", after: { responseBytes: 1000 } },
    { code: "ECONNRESET" },
    ["GET /bytes/100000 0"],
  ],
  [
    "by an end inside the answer",
    { on: /bytes/, kind: "end", after: { responseBytes: 1000 } },
    { code: "ECONNRESET" },
    ["GET /bytes/100000 0"],
  ],
  [
    "by an end towards the client only",
    { on: /bytes/, kind: "end-to-client", after: { responseBytes: 1000 } },
    { code: "ECONNRESET" },
    ["GET /bytes/100000 0"],
  ],
  ["by a refusal", { kind: "refuse" }, { bytes: 0, code: "ECONNRESET" }, []],
];
for (const [when, fault, outcome, received] of cuts) {
  test(`cuts a connection ${when}, once`, async (t) => {
    const proxy = await startProxy(t);
    proxy.plan(fault);
    const seen = await get(proxy, "/bytes/100000");
    assert.equal(seen.code, outcome.code);
    assert.ok(seen.bytes <= 1000, `${seen.bytes} bytes`);
    assert.deepEqual(asked, received);
    assert.deepEqual(await get(proxy, "/bytes/100000"), { bytes: 100_000, code: "complete" });
    await eventually("the client's connections are closed", () => proxy.open.length === 0);
  });
}

test("cuts inside a request that the server has not whole", async (t) => {
  const proxy = await startProxy(t);
  proxy.plan({ on: /^POST/, kind: "cut", after: { requestBytes: 70_000 } });
  const { code } = await get(proxy, "/bytes/1", undefined, "x".repeat(1_000_000));
  assert.match(code, /ECONNRESET|EPIPE/);
  assert.deepEqual(asked, []);
  assert.equal(proxy.connections[0]?.passed.request, 70_000);
});

test("a fault finds its request on a connection that is used again", async (t) => {
  const proxy = await startProxy(t);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  proxy.plan({ on: /^GET \/bytes\/3$/, kind: "cut", after: { responseBytes: 0 } });
  assert.equal((await get(proxy, "/bytes/1", agent)).code, "complete");
  assert.equal((await get(proxy, "/bytes/2", agent)).code, "complete");
  assert.equal((await get(proxy, "/bytes/3", agent)).code, "ECONNRESET");
  assert.equal(proxy.connections.length, 1);
});

test("cuts what is idle, not what has traffic", async (t) => {
  const proxy = await startProxy(t);
  proxy.plan({ kind: "cut", after: { idleMs: 150 } }, 2);
  assert.equal((await get(proxy, "/quiet/20")).code, "complete");
  assert.deepEqual(await get(proxy, "/quiet/1000"), { bytes: 1, code: "ECONNRESET" });
});

test("cuts at a time", async (t) => {
  const proxy = await startProxy(t);
  proxy.plan({ kind: "cut", after: { ms: 100 } });
  assert.deepEqual(await get(proxy, "/quiet/1000"), { bytes: 1, code: "ECONNRESET" });
});

test("a halted connection passes nothing and stays open, until the client leaves", async (t) => {
  const proxy = await startProxy(t);
  proxy.plan({ on: /quiet/, kind: "halt", after: { responseBytes: 1000, ms: 50 } });
  const agent = new Agent();
  const pending = get(proxy, "/quiet/100", agent);
  assert.equal(await Promise.race([pending, sleep(400, "open")]), "open");
  assert.equal(proxy.open.length, 1);
  agent.destroy();
  assert.deepEqual(await pending, { bytes: 1, code: "ECONNRESET" });
  await eventually("the connection is closed", () => proxy.open.length === 0);
});

test("a slow answer takes its time, and is whole", async (t) => {
  const proxy = await startProxy(t);
  proxy.plan({ on: /bytes/, kind: "slow", bytesPerSec: 100_000 });
  const started = performance.now();
  assert.deepEqual(await get(proxy, "/bytes/30000"), { bytes: 30_000, code: "complete" });
  const took = performance.now() - started;
  assert.ok(took > 250 && took < 3000, `${took} ms`);
});

test("ends towards the server while its answer still passes", async (t) => {
  const ended = Promise.withResolvers<void>();
  const half = createTcpServer({ allowHalfOpen: true }, (socket: Socket) => {
    socket.once("data", () => socket.write("one"));
    socket.once("end", () => {
      ended.resolve();
      socket.end("two");
    });
  });
  half.listen(0, "127.0.0.1");
  await once(half, "listening");
  t.after(() => half.close());
  await using proxy = await FaultProxy.start({ target: { host: "127.0.0.1", port: portOf(half) } });
  proxy.plan({ kind: "end-to-server", after: { responseBytes: 3 } });
  const client = connect({ host: "127.0.0.1", port: proxy.port, allowHalfOpen: true });
  client.write("hello");
  let text = "";
  for await (const chunk of client) text += String(chunk);
  await ended.promise;
  assert.equal(text, "onetwo");
  client.end();
});

test("refuses connections, and takes them again on the same port", async (t) => {
  const proxy = await startProxy(t);
  const pending = get(proxy, "/quiet/5000");
  await eventually("the request is on its way", () => proxy.requests.length === 1);
  await proxy.refuse();
  assert.equal((await pending).code, "ECONNRESET");
  assert.equal((await get(proxy, "/bytes/1")).code, "ECONNREFUSED");
  await proxy.resume();
  assert.equal((await get(proxy, "/bytes/1")).code, "complete");
});
