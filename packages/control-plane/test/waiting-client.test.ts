import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request } from "node:http";
import { connect as connectHttp2, createServer as createHttp2Server } from "node:http2";
import { connect } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { waitingClient } from "../src/http/waiting-client.ts";
import type { WaitingClient } from "../src/http/waiting-client.ts";

/** Requests in the order of their arrival, each with its end and the way to answer it. */
const arrived: { readonly client: WaitingClient; readonly answer: (bytes: number) => void }[] = [];
const plain = createServer((incoming, response) => {
  const reply = { raw: response, request: { raw: incoming }, elapsedTime: 1 };
  arrived.push({
    client: waitingClient(reply),
    answer: (bytes) => void response.end(Buffer.alloc(bytes, "x")),
  });
});
const second = createHttp2Server((incoming, response) => {
  const reply = { raw: response, request: { raw: incoming }, elapsedTime: 1 };
  arrived.push({
    client: waitingClient(reply),
    answer: (bytes) => void response.end(Buffer.alloc(bytes, "x")),
  });
});
after(() => {
  plain.closeAllConnections();
  plain.close();
  second.close();
});

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

const port = await listen(plain);
const http2Port = await listen(second);

async function next() {
  return await eventually("the request arrives", () => arrived.shift(), { intervalMs: 2 });
}

test("a client that takes its answer was answered, also on a connection that closes after it", async () => {
  for (const connection of ["keep-alive", "close"]) {
    const outgoing = request({ port, headers: { connection }, agent: false }).end();
    const { client, answer } = await next();
    await client.requirePresent();
    answer(5);
    const [response] = (await once(outgoing, "response")) as [NodeJS.ReadableStream];
    response.resume();
    await once(response, "end");
    assert.equal(await client.outcome, "answered");
    assert.equal(client.left.aborted, false);
    outgoing.destroy();
  }
});

test("a client whose connection closes before the answer left", async () => {
  for (const close of ["destroy", "resetAndDestroy", "end"] as const) {
    const socket = connect(port, "127.0.0.1").on("error", () => {});
    socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    const { client } = await next();
    socket[close]();
    assert.equal(await client.outcome, "left");
    await assert.rejects(client.requirePresent(), { reason: "client_left" });
    socket.destroy();
  }
});

test("a client that closes as it is answered left when the close was received first", async () => {
  const socket = connect(port, "127.0.0.1").on("error", () => {});
  socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
  const { client } = await next();
  socket.destroy();
  // The server has not looked at the connection since: it does before it answers.
  const until = Date.now() + 50;
  while (Date.now() < until);
  await assert.rejects(client.requirePresent(), { reason: "client_left" });
});

test("a client that closes in the middle of its answer left", async () => {
  const socket = connect(port, "127.0.0.1").on("error", () => {});
  socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
  const { client, answer } = await next();
  socket.pause();
  answer(64 << 20);
  setTimeout(() => socket.resetAndDestroy(), 50);
  assert.equal(await client.outcome, "left");
});

test("over HTTP/2 a reset stream and a closed connection are clients that left, an answered stream is not", async () => {
  const open = async () => {
    const session = connectHttp2(`http://127.0.0.1:${http2Port}`);
    session.on("error", () => {});
    const stream = session.request({ ":method": "POST", ":path": "/" });
    stream.on("error", () => {});
    stream.end();
    return { session, stream, ...(await next()) };
  };
  const reset = await open();
  reset.stream.close(8);
  assert.equal(await reset.client.outcome, "left");
  reset.session.destroy();
  const closed = await open();
  closed.session.destroy();
  assert.equal(await closed.client.outcome, "left");
  const middle = await open();
  middle.answer(64 << 20);
  setTimeout(() => middle.session.destroy(), 50);
  assert.equal(await middle.client.outcome, "left");
  const answered = await open();
  await answered.client.requirePresent();
  answered.answer(5);
  answered.stream.resume();
  assert.equal(await answered.client.outcome, "answered");
  answered.session.destroy();
});
