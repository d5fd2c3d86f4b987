import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";

interface Masking {
  mask: (source: Buffer, mask: Buffer, output: Buffer, offset: number, length: number) => void;
  unmask: (buffer: Buffer, mask: Buffer) => void;
}

test(
  "large messages of clients are unmasked by native code, and arrive as they were sent",
  { skip: process.arch === "x64" ? false : "the library has no binary for this processor" },
  async (t) => {
    // The library of WebSockets looks this one up by itself, and each function of it at every call.
    const masking = createRequire(import.meta.url)("bufferutil") as Masking;
    const { unmask } = masking;
    const lengths: number[] = [];
    masking.unmask = (buffer, mask) => {
      lengths.push(buffer.length);
      unmask(buffer, mask);
    };
    t.after(() => (masking.unmask = unmask));
    const http = createServer();
    const sockets = new WebSocketServer({ server: http, perMessageDeflate: false });
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    t.after(() => {
      sockets.close();
      http.close();
    });
    const connected = once(sockets, "connection");
    const client = new WebSocket(`ws://127.0.0.1:${(http.address() as AddressInfo).port}`);
    const [server] = (await connected) as [WebSocket];
    const sent = [1, 31, 4096, 262_147, 1 << 20].map((length) =>
      Buffer.from(Buffer.alloc(length).map((_, index) => (index * 31) & 0xff)),
    );
    const received: Buffer[] = [];
    const all = new Promise<void>((resolve) => {
      server.on("message", (message: Buffer) => {
        received.push(message);
        if (received.length === sent.length) resolve();
      });
    });
    if (client.readyState !== WebSocket.OPEN) await once(client, "open");
    for (const message of sent) client.send(message);
    await all;
    client.terminate();
    assert.deepEqual(
      received.map((message) => message.toString("base64")),
      sent.map((message) => message.toString("base64")),
    );
    assert.deepEqual(lengths, [4096, 262_147, 1 << 20]);
  },
);
