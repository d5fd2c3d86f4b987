import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, request } from "node:http";
import type { IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { findLeftovers } from "@wrenn/system";
import { WebSocket } from "ws";
import { leftSince } from "../support/left-of-capsules.ts";
import { ServerProcess } from "../support/server-process.ts";
import { trafficService, trafficServiceIsUp } from "../support/traffic-service.ts";
import type { TrafficSeen } from "../support/traffic-service.ts";

const SOCKETS = 20;
const BACK_MS = 20_000;

let server: ServerProcess;
let found: readonly string[];
let id: string;
before(async () => {
  found = await findLeftovers();
  server = await ServerProcess.start();
  id = await server.api.capsule(undefined, { memory_mb: 256 });
  await server.api.exec(id, "python3", ["-c", trafficService], { background: true });
  assert.equal((await server.api.shell(id, trafficServiceIsUp, { timeout_sec: 120 })).exit_code, 0);
});
after(async () => {
  await server.close();
  assert.deepEqual(await leftSince(found), []);
});

const toService = (): { host: string; port: string; headers: Record<string, string> } => {
  const { hostname, port } = new URL(server.api.url);
  return {
    host: hostname,
    port,
    headers: { host: `8000-${id}.localhost`, "x-api-key": server.api.apiKey },
  };
};

/** The head of an answer of the service. */
async function get(path: string, agent?: Agent): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  request({ ...toService(), path, agent: agent ?? new Agent() }, resolve)
    .on("error", reject)
    .end();
  return promise;
}

async function seen(): Promise<TrafficSeen> {
  return JSON.parse(await text(await get("/seen"))) as TrafficSeen;
}

interface Download {
  readonly bytes: () => number;
  /** How it ended. */
  readonly over: Promise<"complete" | "broken">;
}

async function download(path: string): Promise<Download> {
  const response = await get(path);
  let bytes = 0;
  const read = async (): Promise<"complete" | "broken"> => {
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) bytes += chunk.length;
      return "complete";
    } catch {
      return "broken";
    }
  };
  return { bytes: () => bytes, over: read() };
}

async function openEcho(): Promise<WebSocket> {
  const { host, port, headers } = toService();
  const socket = new WebSocket(`ws://${host}:${port}/echo`, { headers, perMessageDeflate: false });
  await once(socket, "open");
  return socket;
}

test("a server that is killed under proxied traffic: clients see broken transfers, the service ended connections", async () => {
  const before = await seen();
  const downloads = await Promise.all(["/length", "/chunked", "/until-close"].map(download));
  const sockets = await Promise.all(Array.from({ length: SOCKETS }, openEcho));
  const closed = sockets.map(async (socket) => {
    socket.on("error", () => {});
    const [code] = (await once(socket, "close")) as [number];
    return code;
  });
  const answers: string[] = [];
  const asking = (async () => {
    // Ends with the server.
    for (;;) answers.push(await text(await get("/small")));
  })().catch(() => {});
  await eventually(
    "requests are answered and every download has begun",
    () => answers.length >= 20 && downloads.every(({ bytes }) => bytes() >= 1 << 20),
    { timeoutMs: 60_000 },
  );
  await server.kill();
  assert.deepEqual(await Promise.all(downloads.map(({ over }) => over)), ["broken", "broken", "broken"]);
  assert.deepEqual(new Set(await Promise.all(closed)), new Set([1006]), "no WebSocket was closed properly");
  await asking;
  assert.deepEqual(new Set(answers), new Set(["ok"]));

  await server.start();
  const backAt = performance.now();
  let now = await seen();
  assert.ok(performance.now() - backAt < BACK_MS, `the first answer took ${performance.now() - backAt} ms`);
  assert.equal(
    (await server.api.call<{ status: string }>("GET", `/v1/capsules/${id}`)).body.status,
    "running",
  );
  assert.equal(now.pid, before.pid, "the service is the same process");
  // Its own connection is open while it answers.
  await eventually(
    "the service has one open connection",
    async () => {
      now = await seen();
      return now.closed >= now.opened - 1;
    },
    { intervalMs: 100, details: () => now },
  );
  assert.deepEqual(now.failed, []);
  (await openEcho()).terminate();
  const again = await download("/chunked");
  await eventually("the download has begun", () => again.bytes() >= 1 << 20);
});
