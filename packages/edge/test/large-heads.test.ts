import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:http2";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { text } from "node:stream/consumers";
import { rawClient } from "./support/http-client.ts";
import { localTls, startHttp2Lab, statusOf } from "./support/http2-lab.ts";
import { domain, startByteService, startTestEdge } from "./support/test-edge.ts";

/* Heads of services may be as large as those of clients; beyond that the error names the limit. */

const LIMIT = 64 << 10;
const startAnswering = async (t: TestContext, answer: string): Promise<number> =>
  startByteService(t, (socket) => {
    socket.on("data", () => socket.write(answer, "latin1"));
  });
const cookies = (count: number, size: number): string =>
  Array.from({ length: count }, (_, at) => `Set-Cookie: c${at}=${"x".repeat(size)}\r\n`).join("");
const responding = (fields: string): string => `HTTP/1.1 200 OK\r\n${fields}Content-Length: 2\r\n\r\nok`;
const tooLarge = new RegExp(
  `"message":"the service on port \\d+ of the capsule answered with header fields of more than ${LIMIT} bytes","reason":"port_head_too_large"`,
);

test("60 KiB of cookies reach clients of both versions", async (t) => {
  const port = await startAnswering(t, responding(cookies(60, 1010)));
  const edge = await startTestEdge(t);
  const client = rawClient(t, edge.server.port);
  client.socket.write(`GET / HTTP/1.1\r\nHost: ${edge.host(port)}\r\n\r\n`);
  const head = await client.until(/\r\n\r\nok$/);
  assert.equal(head.split("Set-Cookie: ").length, 61);
  const lab = await startHttp2Lab(t);
  const stream = lab.get(port, "/");
  const [headers] = (await once(stream, "response")) as [Record<string, readonly string[]>];
  assert.equal(headers["set-cookie"]?.length, 60);
  assert.equal(await text(stream), "ok");
});

test("one field of 64,000 bytes passes, as does one of a kept connection", async (t) => {
  const port = await startAnswering(t, responding(`X-Large: ${"x".repeat(64_000)}\r\n`));
  const edge = await startTestEdge(t);
  for (let at = 0; at < 3; at += 1) {
    const client = rawClient(t, edge.server.port);
    client.socket.write(`GET / HTTP/1.1\r\nHost: ${edge.host(port)}\r\n\r\n`);
    assert.match(await client.until(/\r\n\r\nok$/), /\r\nX-Large: x{64000}\r\n/);
  }
});

test("thousands of small fields pass both ways, none is left out", async (t) => {
  const names = Array.from({ length: 4000 }, (_, at) => `a${at}: b\r\n`).join("");
  let got = "";
  const port = await startByteService(t, (socket) => {
    socket.on("data", (chunk: Buffer) => {
      got += chunk.toString("latin1");
      if (got.endsWith("\r\n\r\n")) socket.write(responding(names));
    });
  });
  const edge = await startTestEdge(t);
  const client = rawClient(t, edge.server.port);
  client.socket.write(`GET / HTTP/1.1\r\nHost: ${edge.host(port)}\r\n${names}\r\n`);
  const head = await client.until(/\r\n\r\nok$/);
  assert.ok(got.includes(names));
  assert.ok(head.includes(names));
  const tls = await localTls(t);
  const secure = await startTestEdge(t, { tls });
  const session = connect(`https://localhost:${secure.server.port}`, {
    ca: tls.cert,
    servername: `x.${domain}`,
    rejectUnauthorized: false,
    maxHeaderListPairs: 8000,
    settings: { maxHeaderListSize: 1 << 20 },
  });
  t.after(() => session.destroy());
  got = "";
  const crumbs = Array.from({ length: 1500 }, (_, at) => `a${at}=b`);
  const stream = session.request({ ":authority": secure.host(port), ":path": "/", cookie: crumbs });
  const [headers] = (await once(stream, "response")) as [Record<string, unknown>];
  assert.equal(headers["a3999"], "b");
  assert.equal(await text(stream), "ok");
  assert.ok(got.includes(`\r\nCookie: ${crumbs.join("; ")}\r\n`));
});

for (const [what, fields] of [
  ["of many cookies", cookies(80, 1010)],
  ["of one field", `X-Large: ${"x".repeat(70_000)}\r\n`],
  ["without an end", `X-Large: ${"x".repeat(1 << 20)}`],
] as const)
  test(`a head above 64 KiB, ${what}, is an error that names the limit`, async (t) => {
    const port = await startAnswering(t, responding(fields));
    const edge = await startTestEdge(t);
    for (const upgrade of ["", "Connection: Upgrade\r\nUpgrade: websocket\r\n"]) {
      const client = rawClient(t, edge.server.port);
      client.socket.write(`GET / HTTP/1.1\r\nHost: ${edge.host(port)}\r\n${upgrade}\r\n`);
      const answer = await client.until(/"request_id"/);
      assert.match(answer, /^HTTP\/1.1 502 /);
      assert.match(answer, tooLarge);
    }
    const lab = await startHttp2Lab(t);
    for (const begin of [() => lab.get(port, "/"), () => lab.open(port)]) {
      const stream = begin();
      assert.equal(await statusOf(stream), 502);
      assert.match(await text(stream), tooLarge);
    }
  });

test("trailers above the limit break the response off", async (t) => {
  const port = await startAnswering(
    t,
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Large: ${"x".repeat(70_000)}\r\n\r\n`,
  );
  const edge = await startTestEdge(t);
  const client = rawClient(t, edge.server.port);
  client.socket.write(`GET / HTTP/1.1\r\nHost: ${edge.host(port)}\r\n\r\n`);
  await client.closed();
  assert.doesNotMatch(client.received(), /\r\n0\r\n/);
});
