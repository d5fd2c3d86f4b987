import { createServer } from "node:http";
import type { RequestListener, Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createServer as createTcpServer } from "node:net";
import type { Server as TcpServer, Socket } from "node:net";
import type { TestContext } from "node:test";

import { newId, silentLogger, systemClock, systemRandom } from "@wrenn/core";
import type { TrustedProxies } from "@wrenn/core";
import { ClientConnections, createEdge, defaultListenerLimits, listenEdge } from "@wrenn/edge";
import type {
  CapsuleRoute,
  Edge,
  EdgeFallback,
  EdgeOptions,
  EdgeServer,
  EdgeTls,
  ListenerLimits,
} from "@wrenn/edge";
import { TestGrants } from "./test-grants.ts";

export const domain = "wrenn.test";

export interface TestEdge {
  readonly edge: Edge;
  readonly server: EdgeServer;
  readonly grants: TestGrants;
  readonly connections: ClientConnections;
  readonly capsuleId: string;
  /** What the platform knows about the capsule; undefined: no such capsule. */
  route: CapsuleRoute | undefined;
  readonly woken: string[];
  readonly activity: string[];
  /** Host header of a port. */
  host(port: number): string;
}

export interface TestEdgeOptions extends Partial<EdgeOptions> {
  readonly access?: "private" | "public";
  readonly tls?: EdgeTls;
  readonly fallback?: EdgeFallback;
  readonly listener?: Partial<ListenerLimits>;
  readonly proxies?: TrustedProxies;
}

/** An edge in front of one "capsule" that lives on the loopback interface. */
export async function startTestEdge(t: TestContext, options: TestEdgeOptions = {}): Promise<TestEdge> {
  const capsuleId = newId("capsule", systemRandom);
  const running: CapsuleRoute = {
    owner: "team",
    status: "running",
    address: "127.0.0.1",
    autoResume: false,
    access: () => options.access ?? "public",
  };
  const grants = new TestGrants();
  const woken: string[] = [];
  const activity: string[] = [];
  const connections = new ClientConnections(
    { ...defaultListenerLimits, ...options.listener },
    systemClock,
    options.proxies,
  );
  const edge = createEdge({
    domains: [domain],
    capsules: {
      find: async (id) => (id === capsuleId ? test.route : undefined),
      resume: async (id) => {
        woken.push(id);
        test.route = running;
      },
    },
    credentials: grants.checks,
    linkKey: new Uint8Array(32).fill(7),
    onActivity: (id) => activity.push(id),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    onAuthenticated: ({ socket }, owner, grant) => connections.authenticated(socket, owner, grant),
    ...options,
    limits: { waitForPortMs: 50, ...options.limits },
  });
  const server = await listenEdge({
    edge,
    host: "127.0.0.1",
    port: 0,
    random: systemRandom,
    ...(options.tls && { tls: options.tls }),
    ...(options.fallback && { fallback: options.fallback }),
    ...(options.proxies && { proxies: options.proxies }),
    connections,
    clock: systemClock,
  });
  t.after(async () => {
    edge.close();
    await server.close();
  });
  const test: TestEdge = {
    edge,
    grants,
    server,
    connections,
    capsuleId,
    route: running,
    woken,
    activity,
    host: (port) => `${port}-${capsuleId}.${domain}`,
  };
  return test;
}

/** An HTTP service on the loopback interface. */
export async function startService(
  t: TestContext,
  listener: RequestListener,
): Promise<{ server: Server; port: number }> {
  const server = createServer(listener);
  const port = await listen(server);
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { server, port };
}

/** A service that speaks bytes. */
export async function startByteService(t: TestContext, listener: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createTcpServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    listener(socket);
  });
  const port = await listen(server);
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return port;
}

async function listen(server: TcpServer): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  return (server.address() as AddressInfo).port;
}
