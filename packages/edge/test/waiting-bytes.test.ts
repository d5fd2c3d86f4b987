import assert from "node:assert/strict";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import { setTimeout as delay } from "node:timers/promises";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { TrustedProxies } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import type { CapsuleRoutes, EdgeFallback } from "@wrenn/edge";
import type { EdgeRequest } from "../src/http/messages.ts";
import { rawClient } from "./support/http-client.ts";
import type { RawClient } from "./support/http-client.ts";
import { localTls } from "./support/http2-lab.ts";
import { startService, startTestEdge } from "./support/test-edge.ts";
import type { TestEdge, TestEdgeOptions } from "./support/test-edge.ts";
import { goodKey } from "./support/test-grants.ts";

/* Bytes that a client sends and a service does not take, or that a client does not read, wait in the memory of the edge. */

const MIB = 1 << 20;
const PORT = 3000;

/** A capsule that is being resumed all the time: nothing of a body is taken. Kernels would take a lot of it. */
const resuming: CapsuleRoutes = {
  find: async () => ({
    owner: "team",
    status: "paused",
    address: undefined,
    autoResume: true,
    publicPorts: "all",
  }),
  resume: async () => await Promise.withResolvers<void>().promise,
};

/** An edge with HTTP/2 that tells how many bytes of requests to ports wait in it. */
async function startCountingEdge(t: TestContext, options: TestEdgeOptions = {}) {
  const edge = await startTestEdge(t, { tls: await localTls(t), ...options });
  const requests: EdgeRequest[] = [];
  const handle = edge.edge.handle.bind(edge.edge);
  Object.assign(edge.edge, {
    handle: ((request, response) => {
      requests.push(request);
      return handle(request, response);
    }) satisfies typeof handle,
  });
  const waiting = (): number => {
    let sum = 0;
    for (const request of requests)
      if ("stream" in request && !request.stream.destroyed)
        sum += request.readableLength + request.stream.readableLength;
    return sum;
  };
  return { edge, requests, waiting };
}

async function sessionTo(t: TestContext, edge: TestEdge): Promise<ClientHttp2Session> {
  const session = connectHttp2(`https://127.0.0.1:${edge.server.port}`, { rejectUnauthorized: false });
  session.on("error", () => undefined);
  t.after(() => session.destroy());
  await once(session, "remoteSettings");
  return session;
}

/** Sends bodies, one on each stream. */
function send(
  session: ClientHttp2Session,
  authority: string,
  sizes: readonly number[],
  fields = {},
): readonly ClientHttp2Stream[] {
  return sizes.map((size) => {
    const stream = session.request({ ":method": "POST", ":authority": authority, ...fields });
    stream.on("error", () => undefined).end(Buffer.alloc(size));
    return stream;
  });
}

const sizes = (count: number, size: number): readonly number[] => Array.from({ length: count }, () => size);

test("bodies of HTTP/2 that a service does not take wait at the client, who showed no credentials", async (t) => {
  const { edge, requests, waiting } = await startCountingEdge(t, { capsules: resuming });
  const session = await sessionTo(t, edge);
  send(session, edge.host(PORT), sizes(64, MIB));
  await eventually("all requests are there", () => requests.length === 64);
  await delay(1000);
  assert.ok(waiting() > 0);
  assert.ok(waiting() < 8 * MIB, String(waiting()));
});

test("bodies that services do not take are ended while too many bytes of them wait, those of the greediest team first", async (t) => {
  const { edge, requests, waiting } = await startCountingEdge(t, {
    capsules: resuming,
    listener: { unreadBytes: 8 * MIB },
  });
  const key = { "x-api-key": goodKey, authorization: "Bearer platform-token" };
  const session = await sessionTo(t, edge);
  const modest = await sessionTo(t, edge);
  const [kept] = send(modest, edge.host(PORT), [MIB]);
  await eventually("the modest request is there", () => requests.length === 1);
  // Known clients may have more under way at once.
  const streams = send(session, edge.host(PORT), sizes(64, MIB), key);
  await eventually("too much is there", () => waiting() > 8 * MIB);
  await eventually("little of it is left", () => waiting() < 8 * MIB);
  await eventually("some of the bodies are ended", () => streams.some(({ closed }) => closed));
  // Ended ones count no longer.
  await delay(2500);
  assert.equal(
    streams.every(({ closed }) => closed),
    false,
  );
  assert.equal(kept?.closed, false);
});

test("an upload over HTTP/2 that is taken goes on, however large it is", async (t) => {
  let received = 0;
  const { port } = await startService(t, (request, response) => {
    request.on("data", (chunk: Buffer) => (received += chunk.length)).on("end", () => response.end("taken"));
  });
  const { edge } = await startCountingEdge(t, { listener: { unreadBytes: 4 * MIB } });
  const session = await sessionTo(t, edge);
  const [upload] = send(session, edge.host(port), [64 * MIB]);
  assert.ok(upload);
  const [headers] = (await once(upload, "response")) as [Record<string, unknown>];
  assert.deepEqual([headers[":status"], received], [200, 64 * MIB]);
});

test("of the clients of one proxy only the one with most unread bytes loses its answers, the largest first", async (t) => {
  const fallback: EdgeFallback = {
    request: ({ url = "" }, response) =>
      void (response as ServerResponse).end(Buffer.alloc(Number(url.slice(1)) * MIB)),
    upgrade: (_request, socket) => void socket.destroy(),
  };
  const { server } = await startTestEdge(t, {
    fallback,
    proxies: TrustedProxies.parse("proxies", "127.0.0.1"),
    listener: { unreadBytes: 32 * MIB },
  });
  const ask = (mib: number, client: string): RawClient => {
    const one = rawClient(t, server.port);
    one.socket.pause();
    one.socket.write(`GET /${mib} HTTP/1.1\r\nHost: api\r\nX-Forwarded-For: ${client}\r\n\r\n`);
    return one;
  };
  // Kernels take some MiB of each.
  const modest = ask(12, "192.0.2.1");
  const first = ask(12, "192.0.2.2");
  const greedy = ask(32, "192.0.2.2");
  await delay(3000);
  for (const { socket } of [modest, first, greedy]) socket.resume();
  await greedy.closed();
  assert.ok(greedy.received().length < 32 * MIB);
  for (const client of [modest, first])
    await eventually("the answer is complete", () => client.received().length > 12 * MIB);
});
