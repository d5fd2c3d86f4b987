import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { HEARTBEAT_MS, sendHeartbeats } from "../src/http/heartbeat.ts";
import { fileWatch } from "../src/files/file-watch.ts";
import type { SocketContext } from "../src/http/socket-route.ts";
import type { ClientSocket } from "../src/http/client-socket.ts";

/* Signs of life that pages see: browsers show no pings of the protocol. */

const query = (text: string): URLSearchParams => new URLSearchParams(text);

test("a client that asks for heartbeats gets one every 15 s, until its session ends", () => {
  mock.timers.enable({ apis: ["setInterval"] });
  try {
    const sent: unknown[] = [];
    const socket = { send: async (message: unknown) => void sent.push(message) };
    const heartbeats = sendHeartbeats(socket, query("heartbeat=true"));
    mock.timers.tick(3 * HEARTBEAT_MS);
    assert.deepEqual(sent, [{ type: "ping" }, { type: "ping" }, { type: "ping" }]);
    heartbeats[Symbol.dispose]();
    for (const others of ["", "heartbeat=false", "heartbeat="]) sendHeartbeats(socket, query(others));
    mock.timers.tick(10 * HEARTBEAT_MS);
    assert.equal(sent.length, 3);
  } finally {
    mock.timers.reset();
  }
});

test("a watch sends them while nothing changes", async () => {
  mock.timers.enable({ apis: ["setInterval"] });
  try {
    const sent: { readonly type: string }[] = [];
    const socket = { send: async (message: { readonly type: string }) => void sent.push(message) };
    const quiet = Promise.withResolvers<void>();
    const watching = fileWatch(
      socket as unknown as ClientSocket,
      {
        query: query("path=/&heartbeat=true"),
        signal: new AbortController().signal,
        files: {
          watch: async () =>
            (async function* () {
              await quiet.promise;
              yield* [];
            })(),
        },
      } as unknown as SocketContext,
    );
    await new Promise((resolve) => setImmediate(resolve));
    mock.timers.tick(2 * HEARTBEAT_MS);
    quiet.resolve();
    await watching;
    mock.timers.tick(2 * HEARTBEAT_MS);
    assert.deepEqual(
      sent.map(({ type }) => type),
      ["watching", "ping", "ping", "gone"],
    );
  } finally {
    mock.timers.reset();
  }
});
