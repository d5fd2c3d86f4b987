import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { systemClock } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { bindingOf } from "../src/access/port-session.ts";
import { rawClient } from "./support/http-client.ts";
import { acceptWebSocket, startHttp2Lab, statusOf } from "./support/http2-lab.ts";
import { startByteService, startTestEdge } from "./support/test-edge.ts";
import type { TestEdge } from "./support/test-edge.ts";
import { goodKey, goodLink, goodSession, goodToken } from "./support/test-grants.ts";

/* A connection to a port ends with the access that it was opened with, whatever it is and however it was admitted. */

const NOTHING = "";

/** Fields or query by which a request is admitted, and the access that it then rests on. */
interface Way {
  readonly grant: string;
  readonly admitted: (edge: TestEdge, port: number) => { readonly fields?: string; readonly query?: string };
}

const link = (edge: TestEdge, port: number): string =>
  edge.edge.linkQuery({ capsuleId: edge.capsuleId, port }, { id: goodLink, expiresAt: Date.now() + 60_000 });

const ways: Readonly<Record<string, Way>> = {
  "an API key": { grant: "key", admitted: () => ({ fields: `X-API-Key: ${goodKey}\r\n` }) },
  "a bearer token": {
    grant: "bearer",
    admitted: () => ({ fields: `Authorization: Bearer ${goodToken}\r\n` }),
  },
  "a link": { grant: "link", admitted: (edge, port) => ({ query: link(edge, port) }) },
  "a link's cookie": {
    grant: "link",
    admitted: (edge, port) => ({
      fields: `Origin: http://${edge.host(port)}\r\nCookie: wrenn_port=${link(edge, port).split("=")[1]}\r\n`,
    }),
  },
  "a ticket": {
    grant: "session",
    admitted: (edge, port) => ({
      query: edge.edge.ticketQuery({ capsuleId: edge.capsuleId, port }, goodSession, bindingOf("hop")),
      fields: "Cookie: wrenn_hop=hop\r\n",
    }),
  },
  "nothing, at a public port": { grant: "public", admitted: () => ({}) },
};

/** A service that takes each connection and what it sends, and never ends one. */
class LastingService {
  readonly sockets: Socket[] = [];
  received = NOTHING;

  async start(t: TestContext, answer: string): Promise<number> {
    return await startByteService(t, (socket) => {
      this.sockets.push(socket);
      let answered = false;
      socket.on("data", (data: Buffer) => {
        this.received += data.toString("latin1");
        if (answered) return;
        answered = true;
        socket.write(answer);
      });
    });
  }

  get open(): number {
    return this.sockets.filter((socket) => !socket.destroyed && !socket.readableEnded).length;
  }
}

const UPGRADED = "HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: bytes\r\n\r\nready:";
const STREAMING = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nready:\r\n";

/** Kinds of connections: what the request has, and how the service answers. */
const shapes = {
  "an upgraded connection": {
    method: "GET",
    fields: "Connection: upgrade\r\nUpgrade: bytes\r\n",
    answer: UPGRADED,
  },
  "a long answer": { method: "GET", fields: NOTHING, answer: STREAMING },
  "a long body": { method: "POST", fields: "Transfer-Encoding: chunked\r\n", answer: STREAMING },
} as const;

for (const [credentials, { grant, admitted }] of Object.entries(ways))
  for (const [shape, { method, fields, answer }] of Object.entries(shapes))
    test(`${shape} that was admitted by ${credentials} ends with it`, async (t) => {
      const service = new LastingService();
      const port = await service.start(t, answer);
      const edge = await startTestEdge(t, { access: grant === "public" ? "public" : "private" });
      const by = admitted(edge, port);
      const client = rawClient(t, edge.server.port);
      client.socket.on("error", () => undefined);
      client.socket.write(
        `${method} /?${by.query ?? "x=1"} HTTP/1.1\r\nHost: ${edge.host(port)}\r\n${by.fields ?? ""}${fields}\r\n`,
      );
      await client.until(/ready:/);
      // The request rests on it, and with credentials of the team the connection, too.
      assert.equal(edge.grants.count(grant), grant === "link" || grant === "public" ? 1 : 2);
      for (const other of ["key", "bearer", "session", "link", "public"])
        if (other !== grant) edge.grants.end(other);
      assert.equal(edge.inUse(), true);

      edge.grants.end(grant);
      client.socket.write("after the end");
      const { socket } = client;
      await eventually(
        "both sides end",
        () => (socket.closed || socket.readableEnded) && service.open === 0,
        {
          timeoutMs: 5000,
        },
      );
      assert.doesNotMatch(service.received, /after the end/);
      await eventually("nothing rests on it", () => edge.grants.count(grant) === 0 && !edge.inUse());
    });

test("a WebSocket of HTTP/2 ends with its access, and the other streams of the connection go on", async (t) => {
  let service: Socket | undefined;
  const port = await startByteService(t, (socket) => {
    service = socket;
    void acceptWebSocket(socket);
  });
  const { edge, open } = await startHttp2Lab(t, { access: "private" });
  const [byKey, byToken] = [
    open(port, { "x-api-key": goodKey }),
    open(port, { authorization: `Bearer ${goodToken}` }),
  ];
  assert.deepEqual([await statusOf(byKey), await statusOf(byToken)], [200, 200]);
  assert.ok(service);
  edge.grants.end("key");
  await once(byKey, "close");
  assert.notEqual(byKey.rstCode, 0);
  assert.equal(byToken.closed, false);
  byToken.close();
});

test("a request whose access ends while its capsule is resumed never reaches the capsule", async (t) => {
  const service = new LastingService();
  const port = await service.start(t, STREAMING);
  const resuming = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const edge = await startTestEdge(t, {
    access: "private",
    clock: systemClock,
    capsules: {
      find: async () => ({
        owner: "team",
        status: "paused",
        address: undefined,
        autoResume: true,
        publicPorts: [],
      }),
      resume: async () => {
        asked.resolve();
        await resuming.promise;
      },
    },
  });
  const client = rawClient(t, edge.server.port);
  client.socket.write(`GET / HTTP/1.1\r\nHost: ${edge.host(port)}\r\nX-API-Key: ${goodKey}\r\n\r\n`);
  await asked.promise;
  edge.grants.end("key");
  resuming.resolve();
  await client.until(/HTTP\/1\.1 \d+/);
  assert.equal(service.sockets.length, 0);
  await eventually("nothing rests on the key", () => edge.grants.count("key") === 0);
});

test("a request that waits for its answer gets the reason when its access ends", async (t) => {
  const service = new LastingService();
  const port = await service.start(t, NOTHING);
  const edge = await startTestEdge(t, { access: "private" });
  const client = rawClient(t, edge.server.port);
  client.socket.write(`GET / HTTP/1.1\r\nHost: ${edge.host(port)}\r\nX-API-Key: ${goodKey}\r\n\r\n`);
  await eventually("the service has it", () => service.received !== NOTHING);
  edge.grants.end("key");
  assert.match(
    await client.until(/"reason":"[a-z_]+"/).then(() => client.received()),
    /"reason":"access_ended"/,
  );
  await eventually("the service's side ends", () => service.open === 0);
});

test("a pipelined request ends with its own access, although its turn has not come", async (t) => {
  const service = new LastingService();
  const port = await service.start(t, STREAMING);
  const edge = await startTestEdge(t, { access: "private" });
  const client = rawClient(t, edge.server.port);
  client.socket.write(
    [
      `GET /first HTTP/1.1\r\nHost: ${edge.host(port)}\r\nAuthorization: Bearer ${goodToken}\r\n\r\n`,
      `GET /second HTTP/1.1\r\nHost: ${edge.host(port)}\r\nX-API-Key: ${goodKey}\r\n\r\n`,
    ].join(""),
  );
  await eventually("the service has both", () => service.received.includes("/second"));
  await eventually("both are answered", () => service.open === 2 && client.received().includes("ready:"));
  edge.grants.end("key");
  await eventually("everything ends", () => service.open === 0 && client.socket.readableEnded);
});

test("short requests leave nothing behind", async (t) => {
  const port = await startByteService(t, (socket) =>
    socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")),
  );
  const edge = await startTestEdge(t, { access: "private" });
  for (let round = 0; round < 20; round += 1) {
    const client = rawClient(t, edge.server.port);
    client.socket.write(
      `GET / HTTP/1.1\r\nHost: ${edge.host(port)}\r\nX-API-Key: ${goodKey}\r\nConnection: close\r\n\r\n`,
    );
    await client.until(/ok$/);
  }
  await eventually("nothing is held", () => edge.grants.count("key") === 0);
});
