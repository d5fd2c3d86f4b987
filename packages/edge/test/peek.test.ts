import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { clientHelloOf } from "@wrenn/core/testing";
import { peekDestination, takeBytes } from "../src/listener/peek.ts";

/* A server looks at the first bytes of a connection to tell where it goes, and loses none of them. */

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

async function pair(t: TestContext): Promise<Pair> {
  const listener = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
  await once(listener, "listening");
  const client = connect((listener.address() as AddressInfo).port, "127.0.0.1");
  const [server] = (await once(listener, "connection")) as [Socket];
  for (const socket of [client, server]) socket.on("error", () => {});
  t.after(() => {
    client.destroy();
    server.destroy();
    listener.close();
  });
  return { client, server };
}

async function sendInPieces(client: Socket, bytes: Buffer, size: number): Promise<void> {
  for (let at = 0; at < bytes.length; at += size) {
    client.write(bytes.subarray(at, at + size));
    await delay(2);
  }
}

/** Everything that a reader of the socket gets until the client has finished. */
async function rest(socket: Socket): Promise<string> {
  let text = "";
  for await (const chunk of socket as AsyncIterable<Buffer>) text += chunk.toString("latin1");
  return text;
}

const HEAD = "GET /a?b HTTP/1.1\r\nUser-Agent: x\r\nHost: 80-cl.example\r\nX: y\r\n\r\nbody";

for (const [what, size] of [
  ["whole", HEAD.length],
  ["in pieces", 7],
] as const)
  test(`the Host of a head that comes ${what} is read, and its reader gets all bytes`, async (t) => {
    const { client, server } = await pair(t);
    client.setNoDelay(true);
    const [named] = await Promise.all([
      peekDestination(server, false),
      sendInPieces(client, Buffer.from(HEAD), size),
    ]);
    assert.deepEqual(named && { host: named.host, target: named.target }, {
      host: "80-cl.example",
      target: "/a?b",
    });
    client.end(" and more");
    assert.equal(await rest(server), `${HEAD} and more`);
  });

test("the server name of a client hello in pieces is read", async (t) => {
  const { client, server } = await pair(t);
  client.setNoDelay(true);
  const hello = await clientHelloOf("80-cl.example");
  const [named] = await Promise.all([
    peekDestination(server, true),
    sendInPieces(client, hello, Math.ceil(hello.length / 20)),
  ]);
  assert.equal(named?.host, "80-cl.example");
  client.end();
  assert.equal(await rest(server), hello.toString("latin1"));
});

const nameless: Readonly<Record<string, { readonly bytes: string; readonly isSecure?: boolean }>> = {
  "HTTP/1.0 without Host": { bytes: "GET / HTTP/1.0\r\nX: y\r\n\r\n" },
  "a head without Host": { bytes: "GET / HTTP/1.1\r\n\r\nHost: body\r\n" },
  "HTTP/2 without TLS": { bytes: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" },
  "no HTTP": { bytes: "\u0016\u0003\u0001\u0000" },
  "a request line that is none": { bytes: "HELLO\r\nHost: 80-cl.example\r\n\r\n" },
  "a head of 16 KiB without Host": { bytes: `GET / HTTP/1.1\r\nX: ${"y".repeat(16 << 10)}` },
  "no TLS": { bytes: "GET / HTTP/1.1\r\nHost: 80-cl.example\r\n\r\n", isSecure: true },
};

for (const [what, { bytes, isSecure }] of Object.entries(nameless))
  test(`${what} names nothing, and its reader gets all bytes`, async (t) => {
    const { client, server } = await pair(t);
    client.end(bytes, "latin1");
    assert.equal(await peekDestination(server, isSecure ?? false), undefined);
    assert.equal(await rest(server), bytes);
  });

test("a head that ends before its Host names nothing, and its reader gets all bytes", async (t) => {
  const { client, server } = await pair(t);
  client.write("GET / HTTP/1.1\r\nX");
  const peeked = peekDestination(server, false);
  await delay(50);
  client.end();
  assert.equal(await peeked, undefined);
  assert.equal(await rest(server), "GET / HTTP/1.1\r\nX");
});

test("a client hello without a server name names nothing", async (t) => {
  const { client, server } = await pair(t);
  client.write(await clientHelloOf(undefined));
  assert.equal(await peekDestination(server, true), undefined);
});

test("first bytes that do not come, or come too slowly, are not waited for", async (t) => {
  const { client, server } = await pair(t);
  client.write("GET / HT");
  const startedAt = performance.now();
  assert.equal(await peekDestination(server, false), undefined);
  const waited = performance.now() - startedAt;
  assert.ok(waited > 1500 && waited < 8000, `${waited} ms`);
  client.end("TP/1.1\r\n");
  assert.equal(await rest(server), "GET / HTTP/1.1\r\n");
});

test("a connection that ends without a byte is closed", async (t) => {
  const { client, server } = await pair(t);
  client.end();
  assert.equal(await peekDestination(server, false), undefined);
  assert.equal(server.destroyed, true);
});

test("what arrives after the bytes were taken is left to another process", async (t) => {
  const { client, server } = await pair(t);
  client.write(HEAD);
  assert.equal((await peekDestination(server, false))?.host, "80-cl.example");
  assert.equal(takeBytes(server).toString(), HEAD);
  client.write("left");
  await delay(50);
  assert.equal(server.readableLength, 0);
  assert.equal(server.bytesRead, HEAD.length);
});
