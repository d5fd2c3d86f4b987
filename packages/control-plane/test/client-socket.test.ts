import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { WebSocket, WebSocketServer } from "ws";
import { ClientSocket } from "../src/http/client-socket.ts";
import type { SessionMemory } from "../src/http/client-socket.ts";
import { ReadAhead } from "../src/http/read-ahead.ts";

const MIB = 1 << 20;
const signal = AbortSignal.timeout(30_000);

/** Both ends of a connection. */
async function connected(
  t: TestContext,
  readAhead: ReadAhead,
): Promise<{ readonly client: WebSocket; readonly session: ClientSocket; readonly connection: Duplex }> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  t.after(() => server.close());
  await once(server, "listening");
  const accepted = once(server, "connection");
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  t.after(() => client.terminate());
  client.on("error", () => undefined);
  const [socket, { socket: connection }] = (await accepted) as [WebSocket, IncomingMessage];
  if (client.readyState !== WebSocket.OPEN) await once(client, "open");
  return { client, session: new ClientSocket(socket, readAhead), connection };
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

/** Memory of sessions, of which this much is left. */
function memoryOf(bytes: number): SessionMemory & { used: number } {
  return {
    used: 0,
    reserve(wanted) {
      if (wanted > bytes) return false;
      this.used = wanted;
      return true;
    },
    account(held) {
      this.used = held;
      return held <= bytes;
    },
  };
}

test("a session without memory is read message by message, and loses nothing", async (t) => {
  const { client, session, connection } = await connected(t, new ReadAhead());
  const memory = memoryOf(300 << 10);
  assert.ok(session.charge(memory, connection));
  session.expectInput();
  for (let n = 0; n < 100; n++) client.send(Buffer.alloc(50_000, n));
  await eventually("the socket is left unread", () => session.unread);
  assert.ok(memory.used < 450 << 10, `${memory.used} bytes`);
  for (let n = 0; n < 100; n++) {
    const frame = await session.receive(signal);
    assert.ok(frame?.type === "bytes" && frame.bytes[0] === n, String(n));
    assert.ok(memory.used < 450 << 10, `${memory.used} bytes`);
  }
});

test("a session has a place while there is memory for it, and a large message that has none closes it", async (t) => {
  const { client, session, connection } = await connected(t, new ReadAhead());
  assert.equal(session.charge(memoryOf(100 << 10), connection), false);
  const memory = memoryOf(200 << 10);
  assert.ok(session.charge(memory, connection));
  client.send(Buffer.alloc(100_000));
  const small = await session.receive(signal);
  assert.ok(small?.type === "bytes" && small.bytes.length === 100_000);
  const closed = once(client, "close");
  // Most of a message, and never its end.
  client.send(Buffer.alloc(500_000), { fin: false });
  assert.ok([1006, 1013].includes(Number((await closed)[0])));
  assert.ok(memory.used < 300 << 10, `${memory.used} bytes`);
});

test("what a client does not take is counted, and no more is sent than there is memory for", async (t) => {
  const { client, session, connection } = await connected(t, new ReadAhead());
  const memory = memoryOf(200 << 10);
  assert.ok(session.charge(memory, connection));
  client.pause();
  let sent = 0;
  const sending = (async () => {
    for (; sent < 400; sent++) await session.sendBytes(Buffer.alloc(65_536));
  })();
  await eventually("the sender waits", async () => {
    const before = sent;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return sent > 0 && before === sent;
  });
  assert.ok(sent < 400 && memory.used < 300 << 10, `${memory.used} bytes`);
  client.resume();
  await sending;
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
