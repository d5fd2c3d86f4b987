import assert from "node:assert/strict";
import { once } from "node:events";
import { constants } from "node:http2";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { WebSocketServer } from "ws";
import { acceptField, acceptWebSocket, startHttp2Lab, statusOf } from "./support/http2-lab.ts";
import { goodKey } from "./support/test-grants.ts";
import { domain, startByteService, startService } from "./support/test-edge.ts";
import type { TestEdge } from "./support/test-edge.ts";
import { clientFrame, opcode, serverFrames } from "./support/websocket-frames.ts";

/** Waits until nothing holds the capsule. */
async function released({ edge, capsuleId }: TestEdge): Promise<void> {
  assert.ok(await edge.connections.drain(capsuleId, 5000));
}

test("a WebSocket over HTTP/2 is an upgrade to the service; messages of any size pass both ways", async (t) => {
  const { port, server } = await startService(t, (_request, response) => response.end());
  const sockets = new WebSocketServer({ server, handleProtocols: () => "chat.v2" });
  t.after(() => sockets.close());
  sockets.on("connection", (socket, request) => {
    socket.send(Buffer.from(JSON.stringify({ url: request.url, headers: request.headers })));
    socket.on("message", (data: Buffer) => socket.send(data));
  });
  const { edge, session, open } = await startHttp2Lab(t);
  assert.equal(session.remoteSettings.enableConnectProtocol, true);
  const stream = open(port, {
    "sec-websocket-protocol": "chat.v1, chat.v2",
    "sec-websocket-key": "of-the-client",
    "x-api-key": goodKey,
    cookie: ["a=1", "wrenn_sid=secret", "b=2"],
  });
  const [headers] = (await once(stream, "response")) as [Record<string, unknown>];
  assert.equal(headers[":status"], 200);
  assert.equal(headers["sec-websocket-protocol"], "chat.v2");
  assert.ok(!("sec-websocket-accept" in headers) && !("connection" in headers));
  const frames = serverFrames(stream);
  const next = async () => (await frames.next()).value ?? assert.fail("no frame");
  const seen = JSON.parse((await next()).payload.toString()) as {
    url: string;
    headers: Record<string, string>;
  };
  assert.equal(seen.url, "/chat?x=1");
  assert.equal(seen.headers["host"], edge.host(port));
  assert.equal(seen.headers["cookie"], "a=1; b=2");
  assert.equal(seen.headers["x-forwarded-proto"], "https");
  assert.equal(seen.headers["x-api-key"], undefined);
  assert.equal(Buffer.from(seen.headers["sec-websocket-key"] ?? "", "base64").length, 16);
  assert.notEqual(seen.headers["sec-websocket-key"], "of-the-client");
  for (const size of [0, 1, 70_000, 3_000_000]) {
    const message = Buffer.alloc(size, "wrenn");
    stream.write(clientFrame(opcode.binary, message));
    assert.ok((await next()).payload.equals(message), `${size} bytes`);
  }
  assert.equal(edge.edge.connections.count(edge.capsuleId), 1);
  stream.write(clientFrame(opcode.close, Buffer.from([0x0f, 0xa1])));
  const close = await next();
  assert.equal(close.opcode, opcode.close);
  assert.equal(close.payload.readUInt16BE(), 4001);
  stream.end();
  assert.ok((await frames.next()).done);
  if (!stream.closed) await once(stream, "close");
  assert.equal(stream.rstCode, constants.NGHTTP2_NO_ERROR);
  await released(edge);
});

test("each direction of a WebSocket over HTTP/2 ends on its own", async (t) => {
  const ended = Promise.withResolvers<string>();
  const port = await startByteService(t, (socket) => {
    void acceptWebSocket(socket).then(() => {
      let got = "";
      socket.on("data", (data: Buffer) => (got += data.toString()));
      socket.on("end", () => {
        ended.resolve(got);
        socket.end("after the end");
      });
    });
  });
  const { open } = await startHttp2Lab(t);
  const stream = open(port);
  assert.equal(await statusOf(stream), 200);
  stream.end("all of it");
  assert.equal(await ended.promise, "all of it");
  assert.equal(await text(stream), "after the end");
});

test("a reset on either side of a WebSocket over HTTP/2 resets the other, and is no clean end", async (t) => {
  const broken = Promise.withResolvers<string>();
  const port = await startByteService(t, (socket) => {
    socket.on("error", (error) => broken.resolve("code" in error ? String(error.code) : "?"));
    void acceptWebSocket(socket).then((head) => {
      if (head.includes("/dies")) setTimeout(() => socket.resetAndDestroy(), 30);
      else socket.resume();
    });
  });
  const { edge, session, open } = await startHttp2Lab(t);
  const dying = open(port, { ":path": "/dies" });
  const early: number[] = [];
  dying.resume().on("end", () => early.push(dying.rstCode ?? 0));
  const died = once(dying, "close");
  assert.equal(await statusOf(dying), 200);
  await died;
  assert.equal(dying.rstCode, constants.NGHTTP2_CANCEL);
  assert.ok(!early.includes(0), "the stream ended before it was reset");
  const cancelled = open(port);
  assert.equal(await statusOf(cancelled), 200);
  session.destroy();
  assert.equal(await broken.promise, "ECONNRESET");
  await released(edge);
});

test("a slow reader of a WebSocket over HTTP/2 slows its service and nothing else", async (t) => {
  const chunk = Buffer.alloc(1 << 20);
  let sent = 0;
  const port = await startByteService(t, (socket) => {
    void acceptWebSocket(socket).then((head) => {
      const feed = (): void => {
        do sent += chunk.length;
        while (socket.write(chunk));
      };
      if (head.includes("/flood")) {
        socket.on("drain", feed);
        feed();
      } else socket.end("quick");
    });
  });
  const { edge, open } = await startHttp2Lab(t);
  const slow = open(port, { ":path": "/flood" });
  assert.equal(await statusOf(slow), 200);
  let before = -1;
  await eventually(
    "the service is held up",
    () => {
      const held = sent === before;
      before = sent;
      return held;
    },
    { intervalMs: 300 },
  );
  assert.ok(sent > 0 && sent < 64 << 20, `${sent} bytes were taken from the service`);
  const quick = open(port);
  assert.equal(await text(quick), "quick");
  quick.end();
  slow.close(constants.NGHTTP2_CANCEL);
  await released(edge);
});

test("a client that goes away just after both directions ended leaves nothing behind", async (t) => {
  const closed = Promise.withResolvers<void>();
  const port = await startByteService(t, (socket) => {
    socket.on("close", () => closed.resolve());
    void acceptWebSocket(socket).then(() => socket.resume().end());
  });
  const { edge, session, open } = await startHttp2Lab(t);
  const stream = open(port);
  assert.equal(await statusOf(stream), 200);
  await text(stream);
  stream.write("the last", () => session.destroy());
  stream.end();
  await closed.promise;
  await released(edge);
});

test("what is no agreement to a WebSocket never looks like one", async (t) => {
  const answers: Record<string, (head: Buffer) => string> = {
    "/ok": () => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "/other-key": () =>
      "HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: AAAA\r\n\r\n",
    "/other-protocol": (head) =>
      `HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n${acceptField(head)}\r\n`,
    "/refused": () => "HTTP/1.1 403 No\r\nContent-Length: 5\r\nX-Reason: mine\r\n\r\nnever",
  };
  const port = await startByteService(t, (socket) => {
    socket.once("data", (head: Buffer) => {
      const path = head.toString("latin1").split(" ")[1] ?? "";
      socket.write(answers[path]?.(head) ?? "");
    });
  });
  const { edge, open } = await startHttp2Lab(t);
  for (const path of ["/ok", "/other-key", "/other-protocol"]) {
    const stream = open(port, { ":path": path });
    assert.equal(await statusOf(stream), 502, path);
    assert.match(await text(stream), /"reason":"port_hung_up"/);
  }
  const refused = open(port, { ":path": "/refused" });
  assert.equal(await statusOf(refused), 403);
  assert.equal(await text(refused), "never");
  const dead = open(1);
  assert.equal(await statusOf(dead), 502);
  assert.match(await text(dead), /"reason":"port_not_listening"/);
  await released(edge);
});

test("access, draining and force hold for WebSockets over HTTP/2", async (t) => {
  const port = await startByteService(
    t,
    (socket) => void acceptWebSocket(socket).then(() => socket.resume()),
  );
  const { edge, open } = await startHttp2Lab(t, { access: "private" });
  assert.equal(await statusOf(open(port)), 401);
  const foreign = { cookie: "wrenn_sid=good-session", origin: "https://other.example" };
  assert.equal(await statusOf(open(port, foreign)), 401);
  const stream = open(port, { "x-api-key": goodKey });
  assert.equal(await statusOf(stream), 200);
  assert.equal(await edge.edge.connections.drain(edge.capsuleId, 50), false);
  assert.equal(await statusOf(open(port, { "x-api-key": goodKey })), 503);
  edge.edge.connections.forceClose(edge.capsuleId);
  await once(stream.resume(), "close");
  assert.equal(stream.rstCode, constants.NGHTTP2_CANCEL);
});

test("CONNECT for anything else is refused with the typed error", async (t) => {
  const { edge, session, open } = await startHttp2Lab(t);
  const other = open(1, { ":protocol": "connect-udp" });
  assert.equal(await statusOf(other), 501);
  assert.match(await text(other), /"reason":"tunnel_refused"/);
  const plain = session.request({ ":method": "CONNECT", ":authority": "example.com:443" });
  assert.equal(await statusOf(plain), 501);
  const long = open(1, { "content-length": "5" });
  const answered = await Promise.race([statusOf(long), once(long, "close").then(() => 400)]);
  assert.equal(answered, 400);
  const nowhere = open(1, { ":authority": "127.0.0.1" });
  assert.equal(await statusOf(nowhere), 404);
  await released(edge);
});

test("the platform's own WebSockets work over HTTP/2 too", async (t) => {
  const sockets = new WebSocketServer({ noServer: true });
  const seen: (string | undefined)[] = [];
  const { open } = await startHttp2Lab(t, {
    fallback: {
      request: (_request, response) => void response.end(),
      upgrade: (request, socket, head) => {
        if (request.url === "/refused") {
          socket.end("HTTP/1.1 404 Refused\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno");
          return;
        }
        seen.push(request.headers.host, request.headers["x-api-key"] as string, request.headers.cookie);
        sockets.handleUpgrade(request, socket, head, (webSocket) => {
          webSocket.on("message", (data: Buffer) => webSocket.send(data));
        });
      },
    },
  });
  const headers = { ":authority": domain, "x-api-key": goodKey, cookie: ["wrenn_sid=mine", "a=1"] };
  const stream = open(1, headers);
  assert.equal(await statusOf(stream), 200);
  assert.deepEqual(seen, [domain, goodKey, "wrenn_sid=mine; a=1"]);
  const frames = serverFrames(stream);
  const message = Buffer.alloc(500_000, "platform");
  stream.write(clientFrame(opcode.binary, message));
  const { value } = await frames.next();
  assert.ok(value && value.payload.equals(message));
  for (const client of sockets.clients) client.terminate();
  assert.ok((await frames.next()).done);
  const refused = open(1, { ...headers, ":path": "/refused" });
  assert.equal(await statusOf(refused), 404);
  assert.equal(await text(refused), "no");
});
