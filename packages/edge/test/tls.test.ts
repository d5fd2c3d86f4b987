import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer, text } from "node:stream/consumers";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { connect as connectTls } from "node:tls";
import { WebSocket, WebSocketServer } from "ws";
import { DAY_MS, systemClock, systemRandom } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { localCertificate } from "@wrenn/edge";
import { domain, startByteService, startService, startTestEdge } from "./support/test-edge.ts";

async function certificate(t: TestContext, domains = [domain]) {
  const directory = await mkdtemp(join(tmpdir(), "wrenn-edge-tls-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const make = async (clock = systemClock) =>
    localCertificate({ directory, domains, clock, random: systemRandom });
  return { directory, make };
}

test("the local CA signs for its domains and nothing else, and stays the same", async (t) => {
  const { directory, make } = await certificate(t);
  const first = await make();
  const again = await make();
  assert.equal(first.cert, again.cert);
  const authority = new X509Certificate(await readFile(first.authorityFile));
  const leaf = new X509Certificate(first.cert);
  assert.ok(leaf.verify(authority.publicKey) && authority.ca && !leaf.ca);
  for (const name of [`8000-cl-abc`, `49983-${"0".repeat(25)}`, "api"])
    assert.equal(leaf.checkHost(`${name}.${domain}`), `*.${domain}`);
  assert.equal(leaf.checkHost("example.com"), undefined);
  assert.equal((await stat(join(directory, `authority-${domain}.key`))).mode & 0o777, 0o600);
  const later = { ...systemClock, now: () => Date.now() + 380 * DAY_MS };
  const renewed = await make(later);
  assert.notEqual(renewed.cert, first.cert);
  assert.ok(new X509Certificate(renewed.cert).verify(authority.publicKey));
});

test("HTTP/2 clients reach services: many streams, bodies, cookies, trailers", async (t) => {
  const { port } = await startService(t, (request, response) => {
    void buffer(request).then((body) => {
      response.writeHead(200, { Trailer: "x-sum", "set-cookie": ["a=1", "b=2"], Connection: "close" });
      response.write(
        JSON.stringify({ size: body.length, headers: request.headers, version: request.httpVersion }),
      );
      response.addTrailers({ "X-Sum": String(body.length) });
      response.end();
    });
  });
  const tls = await (await certificate(t)).make();
  const edge = await startTestEdge(t, { tls });
  const host = edge.host(port);
  const ca = await readFile(tls.authorityFile, "utf8");
  const session = connectHttp2(`https://${host}`, {
    createConnection: () =>
      connectTls({ port: edge.server.port, host: "127.0.0.1", servername: host, ca, ALPNProtocols: ["h2"] }),
  });
  t.after(() => session.destroy());
  const ask = async (size: number) => {
    const stream = session.request({
      ":method": "POST",
      ":path": "/a%2Fb",
      cookie: ["x=1", "wrenn_sid=no", "y=2"],
    });
    let headers: Record<string, unknown> = {};
    let trailers: Record<string, unknown> = {};
    stream.on("response", (received) => (headers = received));
    stream.on("trailers", (received) => (trailers = received));
    stream.end(Buffer.alloc(size, 1));
    return { body: JSON.parse(await text(stream)) as Seen, headers, trailers };
  };
  interface Seen {
    size: number;
    version: string;
    headers: Record<string, string>;
  }
  const sizes = [0, 1, 70_000, 3_000_000, 5, 6, 7, 8];
  const answers = await Promise.all(sizes.map(ask));
  assert.deepEqual(
    answers.map((answer) => answer.body.size),
    sizes,
  );
  const [, , large] = answers;
  assert.equal(large?.body.version, "1.1");
  assert.equal(large.body.headers["cookie"], "x=1; y=2");
  assert.equal(large.body.headers["host"], `${host}:443`);
  assert.equal(large.body.headers["x-forwarded-proto"], "https");
  assert.deepEqual(large.headers["set-cookie"], ["a=1", "b=2"]);
  assert.equal(large.trailers["x-sum"], "70000");
});

test("over HTTP/2 a response that breaks off ends with an error, and refusals are typed", async (t) => {
  const port = await startByteService(t, (socket) => {
    socket.once("data", () => {
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");
      setTimeout(() => socket.destroy(), 30);
    });
  });
  const tls = await (await certificate(t)).make();
  const edge = await startTestEdge(t, { tls });
  const session = connectHttp2(`https://127.0.0.1:${edge.server.port}`, { rejectUnauthorized: false });
  t.after(() => session.destroy());
  const broken = session.request({ ":authority": edge.host(port) });
  await assert.rejects(text(broken), /NGHTTP2_INTERNAL_ERROR/);
  const refused = session.request({ ":authority": edge.host(1) });
  let status = 0;
  refused.on("response", (headers) => (status = headers[":status"] ?? 0));
  assert.match(await text(refused), /port_not_listening/);
  assert.equal(status, 502);
});

for (const method of ["GET", "POST"])
  test(`over HTTP/2 a client that breaks a ${method} off ends the request at the service`, async (t) => {
    const gone = Promise.withResolvers<void>();
    const { port } = await startService(t, (request, response) => {
      response.write("begin");
      request.resume();
      response.on("close", () => gone.resolve());
    });
    const tls = await (await certificate(t)).make();
    const edge = await startTestEdge(t, { tls });
    const session = connectHttp2(`https://127.0.0.1:${edge.server.port}`, { rejectUnauthorized: false });
    t.after(() => session.destroy());
    const stream = session.request({ ":authority": edge.host(port), ":method": method });
    if (method === "POST") stream.end("body");
    await once(stream, "data");
    stream.close();
    await gone.promise;
    await eventually("the capsule is released", () => edge.edge.connections.count(edge.capsuleId) === 0);
  });

test("HTTP/1.1 and WebSockets work over the same TLS port", async (t) => {
  const { port, server } = await startService(t, (_request, response) => response.end("one"));
  const sockets = new WebSocketServer({ server });
  t.after(() => sockets.close());
  sockets.on("connection", (socket) =>
    socket.on("message", (data: Buffer) => socket.send(`echo ${data.toString()}`)),
  );
  const tls = await (await certificate(t)).make();
  const edge = await startTestEdge(t, { tls });
  const common = { rejectUnauthorized: false, headers: { host: edge.host(port) } };
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  request(`https://127.0.0.1:${edge.server.port}/`, common, resolve).on("error", reject).end();
  assert.equal(await text(await promise), "one");
  const client = new WebSocket(`wss://127.0.0.1:${edge.server.port}/`, common);
  t.after(() => client.terminate());
  const answer = Promise.withResolvers<string>();
  client.on("open", () => client.send("hi"));
  client.on("message", (data: Buffer) => answer.resolve(data.toString()));
  client.on("error", answer.reject);
  assert.equal(await answer.promise, "echo hi");
});
