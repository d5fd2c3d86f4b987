import { createServer } from "node:http";
import type { RequestListener, Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createServer as createTcpServer } from "node:net";
import type { Server as TcpServer, Socket } from "node:net";
import type { TestContext } from "node:test";

import { defined, newId, silentLogger, systemClock, systemRandom } from "@wrenn/core";
import type { TrustedProxies } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { ClientConnections, createEdge, defaultListenerLimits, listenEdge, PortProcess } from "@wrenn/edge";
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
  readonly portProcess: PortProcess | undefined;
  readonly capsuleId: string;
  /** What the platform knows about the capsule; undefined: no such capsule. */
  route: CapsuleRoute | undefined;
  readonly woken: string[];
  readonly activity: string[];
  /** Whether there are connections to the capsule, whichever process serves them. */
  inUse(): boolean;
  /** Everything that is known about the capsule is asked for again. */
  invalidate(): void;
  /** Host header of a port. */
  host(port: number): string;
}

export interface TestEdgeOptions extends Partial<EdgeOptions> {
  readonly access?: "private" | "public";
  readonly tls?: EdgeTls;
  readonly fallback?: EdgeFallback;
  readonly listener?: Partial<ListenerLimits>;
  readonly proxies?: TrustedProxies;
  /** Serves ports in a process of their own; default: as the whole suite is run, see through-process.test.ts. */
  readonly throughProcess?: boolean;
}

/** Whether edges serve ports in a process of their own. */
const THROUGH_PROCESS = process.env["WRENN_TEST_PORT_PROCESS"] === "1";

/** An edge in front of one "capsule" that lives on the loopback interface. */
export async function startTestEdge(t: TestContext, options: TestEdgeOptions = {}): Promise<TestEdge> {
  const capsuleId = newId("capsule", systemRandom);
  const running: CapsuleRoute = {
    owner: "team",
    status: "running",
    address: "127.0.0.1",
    autoResume: false,
    publicPorts: options.access === "private" ? [] : "all",
  };
  const grants = new TestGrants();
  const woken: string[] = [];
  const activity: string[] = [];
  const connections = new ClientConnections(
    { ...defaultListenerLimits, ...options.listener },
    systemClock,
    options.proxies,
  );
  const settings: EdgeOptions = {
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
  };
  const edge = createEdge(settings);
  const portProcess =
    (options.throughProcess ?? THROUGH_PROCESS)
      ? await startPortProcess(settings, edge, connections, options.tls)
      : undefined;
  const server = await listenEdge({
    edge,
    host: "127.0.0.1",
    port: 0,
    random: systemRandom,
    ...(options.tls && { tls: options.tls }),
    ...(options.fallback && { fallback: options.fallback }),
    ...(options.proxies && { proxies: options.proxies }),
    ...(portProcess && { handOver: portProcess }),
    connections,
    clock: systemClock,
  });
  t.after(async () => {
    edge.close();
    await portProcess?.close();
    await server.close();
  });
  const test: TestEdge = {
    edge,
    grants,
    server,
    connections,
    portProcess,
    capsuleId,
    route: running,
    woken,
    activity,
    inUse: () => edge.connections.count(capsuleId) > 0 || portProcess?.inUse(capsuleId) === true,
    invalidate: () => {
      edge.invalidate(capsuleId);
      portProcess?.invalidate(capsuleId);
    },
    host: (port) => `${port}-${capsuleId}.${domain}`,
  };
  return test;
}

async function startPortProcess(
  edgeOptions: EdgeOptions,
  edge: Edge,
  connections: ClientConnections,
  tls: EdgeTls | undefined,
): Promise<PortProcess> {
  const { domains, capsules, credentials, linkKey, pathHost, limits, ...rest } = edgeOptions;
  const portProcess = new PortProcess({
    ...defined({ attempts: rest.attempts, onActivity: rest.onActivity }),
    platform: { ...capsules, ...credentials },
    connections,
    clock: systemClock,
    logger: rest.logger,
    find: async (id) => await edge.find(id),
    settings: () => ({
      domain: domains[0] ?? "",
      publicUrl: undefined,
      pathHost,
      origin: { scheme: tls ? "https" : "http", port: 1 },
      linkKey: Buffer.from(linkKey).toString("base64"),
      tls: tls && { cert: tls.cert, key: tls.key },
      limits,
    }),
  });
  portProcess.wanted();
  await eventually("the port process is ready", () => portProcess.isReady);
  return portProcess;
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
