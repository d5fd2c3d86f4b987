import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { WebSocket, WebSocketServer } from "ws";
import { ClientSocket } from "../src/http/client-socket.ts";
import { ReadAhead } from "../src/http/read-ahead.ts";

const MIB = 1 << 20;
const signal = AbortSignal.timeout(30_000);

/** Both ends of a connection. */
async function connected(
  t: TestContext,
  readAhead: ReadAhead,
): Promise<{ readonly client: WebSocket; readonly session: ClientSocket }> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  t.after(() => server.close());
  await once(server, "listening");
  const accepted = once(server, "connection");
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  t.after(() => client.terminate());
  client.on("error", () => undefined);
  const [socket] = (await accepted) as [WebSocket];
  if (client.readyState !== WebSocket.OPEN) await once(client, "open");
  return { client, session: new ClientSocket(socket, readAhead) };
}

async function sentAll({ bufferedAmount }: WebSocket): Promise<boolean> {
  return bufferedAmount === 0;
}

test("a client that sends much ahead is left unread, and read again when its messages are taken", async (t) => {
  const { client, session } = await connected(t, new ReadAhead());
  let pauses = 0;
  session.onUnread(() => pauses++);
  for (let n = 0; n < 32; n++) client.send(Buffer.alloc(MIB, n));
  await eventually("the socket is left unread", () => session.unread);
  assert.equal(await sentAll(client), false);
  for (let n = 0; n < 32; n++) {
    const frame = await session.receive(signal);
    assert.ok(frame?.type === "bytes" && frame.bytes.length === MIB && frame.bytes[0] === n, String(n));
  }
  assert.ok(!session.unread && pauses >= 1);
});

test("a client that is gone is noticed while its socket is left unread", async (t) => {
  const { client, session } = await connected(t, new ReadAhead());
  for (let n = 0; n < 32; n++) client.send(Buffer.alloc(MIB));
  await eventually("the socket is left unread", () => session.unread);
  client.terminate();
  await eventually("the end is noticed", () => session.closed.aborted, { timeoutMs: 5000 });
});

test("messages that still wait count; those of a session that is over do not", async (t) => {
  const readAhead = new ReadAhead();
  const { free } = readAhead;
  const { client, session } = await connected(t, readAhead);
  session.expectInput();
  for (let n = 0; n < 8; n++) client.send(Buffer.alloc(MIB));
  const first = await session.receive(signal);
  assert.ok(first?.type === "bytes");
  session.hold(first.bytes.length);
  await eventually("everything arrives", () => readAhead.free <= free - 8 * MIB);
  session.close(1000, "");
  session.discard();
  assert.ok(readAhead.free <= free - MIB, "one is still held");
  session.release(first.bytes.length);
  assert.equal(readAhead.free, free);
  client.send(Buffer.alloc(MIB));
  await once(client, "close");
  assert.equal(readAhead.free, free);
});

test("a client that sends pings and reads nothing is sent no more pongs than its socket takes", async (t) => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", autoPong: false });
  t.after(() => server.close());
  await once(server, "listening");
  const accepted = once(server, "connection");
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  t.after(() => client.terminate());
  const [socket] = (await accepted) as [WebSocket];
  const session = new ClientSocket(socket, new ReadAhead());
  if (client.readyState !== WebSocket.OPEN) await once(client, "open");
  const ponged = once(client, "pong");
  client.ping("first");
  assert.equal(String((await ponged)[0]), "first");
  client.pause();
  let pings = 0;
  socket.on("ping", () => pings++);
  const COUNT = 100_000;
  for (let n = 0; n < COUNT; n++) client.ping(Buffer.alloc(125));
  await eventually("the pings have arrived", () => pings === COUNT);
  assert.ok(socket.bufferedAmount <= 300 << 10, `${socket.bufferedAmount} bytes wait`);
  assert.ok(!session.closed.aborted);
});
