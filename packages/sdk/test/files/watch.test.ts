import assert from "node:assert/strict";
import { getEventListeners, once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { isWrennError } from "@wrenn/sdk";
import type { ConnectionOptions } from "@wrenn/sdk";
import { WebSocketServer } from "ws";
import type { WebSocket } from "ws";
import { watch } from "../../src/files/watch.ts";
import type { FileChange, FileWatch, WatchOptions } from "../../src/files/watch.ts";
import { connectionSettings } from "../../src/transport/connection.ts";
import { HttpClient } from "../../src/transport/http.ts";
import { eventually } from "../support/eventually.ts";

/** What the server does on each connection, which the real one does in packages/sdk/test/portable/files.ts. */
let serve: (socket: WebSocket, request: IncomingMessage) => void = () => undefined;
const sockets = new Set<WebSocket>();
const server = createServer();
const webSockets = new WebSocketServer({ server });
webSockets.on("connection", (socket, request) => {
  sockets.add(socket);
  socket.on("close", () => sockets.delete(socket));
  serve(socket, request);
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
after(() => {
  server.close();
  for (const socket of sockets) socket.terminate();
});
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

const open = (options?: WatchOptions, connection: ConnectionOptions = {}): FileWatch =>
  watch(
    new HttpClient(connectionSettings({ url, apiKey: "wrn_test", ...connection })),
    "cl-1",
    "/srv/a b",
    options,
  );

const send = (socket: WebSocket, ...messages: readonly object[]): void => {
  for (const message of messages) socket.send(JSON.stringify(message));
};
const watching = { type: "watching", path: "/srv/a b" };
const changed = (path: string): object => ({
  type: "change",
  change: "write",
  offset: 1,
  path,
  directory: false,
});

async function all(changes: FileWatch): Promise<readonly FileChange[]> {
  const list: FileChange[] = [];
  for await (const change of changes) list.push(change);
  return list;
}

test("changes arrive until what is watched is gone; a script may wait until it is watched", async () => {
  let asked = "";
  serve = (socket, request) => {
    asked = `${request.url} ${request.headers["sec-websocket-protocol"]}`;
    send(socket, watching, { type: "ping" }, changed("x"));
    send(socket, {
      type: "change",
      change: "rename",
      offset: 2,
      path: "new",
      directory: true,
      old_path: "old",
    });
    send(socket, { type: "unwatched", offset: 3, path: "deep", reason: "limit" });
    send(socket, { type: "overflow", offset: 3 }, { type: "gone", path: "/srv/a b" });
  };
  const changes = open({ recursive: true, user: "user" });
  await changes.ready();
  assert.deepEqual(await all(changes), [
    { type: "write", path: "x", isDirectory: false },
    { type: "rename", path: "new", isDirectory: true, oldPath: "old" },
    { type: "unwatched", path: "deep", reason: "limit" },
    { type: "overflow" },
  ]);
  assert.equal(
    asked,
    "/v1/capsules/cl-1/files/watch?path=%2Fsrv%2Fa+b&heartbeat=true&recursive=true&user=user wrenn.files.watch",
  );
});

test("after a break watching goes on, and an overflow stands for what was missed", async () => {
  let connections = 0;
  serve = (socket) => {
    connections++;
    const error = { code: "invalid_state", reason: "capsule_not_running", message: "paused", status: 409 };
    if (connections === 2) return send(socket, { type: "error", data: "paused", error });
    send(socket, watching, changed(`x${connections}`));
    if (connections === 1) setTimeout(() => socket.terminate(), 20);
    else send(socket, { type: "gone" });
  };
  const write = (path: string): FileChange => ({ type: "write", path, isDirectory: false });
  assert.deepEqual(await all(open()), [write("x1"), { type: "overflow" }, write("x3")]);
});

test("a silent connection is replaced; without an answer it fails as stream_lost", async () => {
  let connections = 0;
  serve = (socket) => {
    if (connections++ === 0) send(socket, watching);
  };
  await assert.rejects(all(open({}, { silenceMs: 50, resumeMs: 300 })), (error) =>
    isWrennError(error, "stream_lost"),
  );
});

test("refusals are the server's errors", async () => {
  serve = (socket) => {
    send(socket, {
      type: "error",
      data: "no such file",
      error: {
        code: "not_found",
        reason: "path_not_found",
        message: "no such file",
        status: 404,
        request_id: "req-1",
      },
    });
    socket.close(1011);
  };
  const changes = open();
  await assert.rejects(
    changes.ready(),
    (error) => isWrennError(error, "path_not_found") && error.status === 404,
  );
  await assert.rejects(all(changes), (error) => isWrennError(error, "path_not_found"));
  const misspelt: object = { deep: true };
  assert.throws(
    () => open(misspelt),
    (error) => isWrennError(error, "unknown_option"),
  );
});

test("a consumer that does not keep up is told that changes are missing, and memory is bounded", async () => {
  serve = (socket) => {
    send(socket, watching, changed("first"));
    for (let n = 0; n < 5000; n++) send(socket, changed(String(n)));
    send(socket, { type: "gone" });
  };
  const changes = open();
  await changes.ready();
  await new Promise((resolve) => setTimeout(resolve, 300));
  const list = await all(changes);
  assert.ok(list.length < 1100, `${list.length} waited`);
  assert.ok(list.some(({ type }) => type === "overflow"));
  assert.deepEqual(list.at(-1), { type: "write", path: "4999", isDirectory: false });
});

test("leaving the loop, closing and aborting end the connection and leave no listener", async () => {
  serve = (socket) => send(socket, watching, changed("x"));
  const lasting = new AbortController();
  for (let n = 0; n < 20; n++)
    for await (const change of open({ signal: lasting.signal })) {
      assert.equal(change.type, "write");
      break;
    }
  {
    await using changes = open({ signal: lasting.signal });
    await changes.ready();
  }
  await open({ signal: lasting.signal }).close();
  assert.equal(getEventListeners(lasting.signal, "abort").length, 0);
  const reason = new Error("enough");
  const controller = new AbortController();
  const reading = all(open({ signal: controller.signal }));
  setTimeout(() => controller.abort(reason), 50);
  await assert.rejects(reading, (error) => error === reason);
  assert.equal(getEventListeners(controller.signal, "abort").length, 0);
  await eventually("all connections are closed", () => sockets.size === 0);
});
