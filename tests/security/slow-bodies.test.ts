import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { silentLogger, systemClock, systemRandom } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { ClientConnections, createEdge, defaultListenerLimits, listenEdge } from "@wrenn/edge";
import type { EdgeServer } from "@wrenn/edge";
import { TestGrants } from "../../packages/edge/test/support/test-grants.ts";
import { TestPlatform } from "../../packages/control-plane/test/support/test-platform.ts";

/* Bodies that are never finished, sent to every route of the real API behind the real listener. */

const KEEP_ALIVE_MS = 2000;
const stack = new AsyncDisposableStack();
let platform: TestPlatform;
let server: EdgeServer;
let connections: ClientConnections;

before(async () => {
  platform = stack.use(await TestPlatform.start({ rates: { perAddress: undefined, perKey: undefined } }));
  const { request } = await platform.serve(undefined);
  connections = new ClientConnections(
    {
      ...defaultListenerLimits,
      perNetwork: 10_000,
      bodyStallMs: 1500,
      anonymousKeepAliveMs: KEEP_ALIVE_MS,
      keepAliveMs: KEEP_ALIVE_MS,
    },
    systemClock,
  );
  const edge = createEdge({
    domains: ["ports.test"],
    capsules: { find: async () => undefined, resume: async () => undefined },
    credentials: new TestGrants().checks,
    linkKey: new Uint8Array(32),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
  server = await listenEdge({
    edge,
    host: "127.0.0.1",
    port: 0,
    connections,
    clock: systemClock,
    random: systemRandom,
    fallback: {
      request: (incoming, response) => request(incoming as IncomingMessage, response as ServerResponse),
      upgrade: (_request, socket) => void socket.destroy(),
    },
  });
  stack.defer(() => server.close());
});
after(() => stack.disposeAsync());

interface Client {
  readonly name: string;
  answer: string;
  isOpen: boolean;
}

async function send(name: string, from: string, text: string): Promise<Client> {
  const socket = connect({ port: server.port, host: "127.0.0.1", localAddress: from });
  const client: Client = { name, answer: "", isOpen: true };
  socket.on("data", (chunk: Buffer) => (client.answer += chunk.toString("latin1")));
  socket.on("error", () => undefined).on("close", () => (client.isOpen = false));
  await once(socket, "connect");
  socket.write(text);
  return client;
}

test("a body that stands still ends its connection on every route, with and without credentials", async () => {
  const { body } = await platform.call("GET", "/openapi.json");
  const paths = body["paths"] as Readonly<Record<string, object>>;
  const routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods)
      .filter((method) => method !== "get" && method !== "head")
      .map((method) => [method.toUpperCase(), path.replaceAll(/\{\w+\}/g, "x")] as const),
  );
  assert.ok(routes.length > 60, `${routes.length} routes`);
  const clients: Client[] = [];
  for (const [method, path] of [...routes, ["POST", "/no/such/route"], ["POST", "/health"]] as const)
    for (const type of ["application/json", "multipart/form-data; boundary=x", "application/octet-stream"])
      for (const credentials of ["", `X-API-Key: ${platform.apiKey}\r\n`])
        clients.push(
          await send(
            `${method} ${path} ${type} ${credentials}`,
            `127.66.2.${1 + (clients.length % 100)}`,
            `${method} ${path} HTTP/1.1\r\nHost: api\r\nContent-Type: ${type}\r\n${credentials}Content-Length: 1000\r\n\r\n{`,
          ),
        );
  await eventually("every connection ends", () => clients.every(({ isOpen }) => !isOpen), {
    details: () => clients.filter(({ isOpen }) => isOpen).map(({ name }) => name),
  });
  for (const { name, answer } of clients) assert.match(answer, /^HTTP\/1\.1 [45]\d\d /, name);
  const stalled = clients.filter(({ answer }) => /^HTTP\/1\.1 408 [^]*body_stalled/.test(answer));
  assert.ok(stalled.some(({ name }) => name.startsWith("POST /v1/auth/login")));
  assert.ok(stalled.some(({ name }) => name.startsWith("POST /v1/capsules application/json X-API-Key")));
  // No answer was given twice, and the server goes on.
  for (const { name, answer } of clients) assert.equal(answer.match(/HTTP\/1\.1 /g)?.length, 1, name);
  const failures = platform.logged.filter(({ event }) => event === "request.failed");
  assert.deepEqual(failures, []);
  assert.equal((await platform.call("GET", "/health")).status, 200);
});
