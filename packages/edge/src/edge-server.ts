import { createServer } from "node:http";
import type { IncomingMessage, ServerOptions } from "node:http";
import { createSecureServer } from "node:http2";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { AddressInfo, Server } from "node:net";
import { Duplex } from "node:stream";
import type { SecureContext } from "node:tls";
import type { Edge } from "./edge.ts";
import type { Random } from "@wrenn/core";
import { bodyOf, platformHeaders, writeHead } from "./http/messages.ts";
import type { EdgeRequest, EdgeResponse } from "./http/messages.ts";
import { PlatformWebSockets } from "./http/platform-websocket.ts";
import { serveTunnel } from "./http/tunnels.ts";

export interface EdgeServerOptions {
  readonly edge: Edge;
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /** With it, TLS with HTTP/2 and HTTP/1.1; without, plain HTTP/1.1. */
  readonly tls?: EdgeTls;
  /** Takes requests that are not for a port of a capsule. */
  readonly fallback?: EdgeFallback;
  readonly limits?: Partial<EdgeServerLimits>;
  readonly random: Random;
}

export interface EdgeTls {
  /** PEM chain and key for clients that name no server, or one that `contextFor` does not know. */
  readonly cert: string;
  readonly key: string;
  readonly contextFor?: (serverName: string) => SecureContext | undefined;
}

export interface EdgeFallback {
  request(request: EdgeRequest, response: EdgeResponse): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

export interface EdgeServerLimits {
  /** Longest time for the head of a request, in ms: a client that trickles is cut off. */
  readonly headersMs: number;
  /** Longest time between requests on a kept connection, in ms. */
  readonly keepAliveMs: number;
  /** All header fields together, in bytes. */
  readonly headerBytes: number;
  readonly connections: number;
}

export interface EdgeServer {
  readonly port: number;
  /** Stops listening, ends connections. */
  close(): Promise<void>;
}

const defaults: EdgeServerLimits = {
  headersMs: 10_000,
  keepAliveMs: 60_000,
  headerBytes: 64 << 10,
  connections: 20_000,
};
const CHECK_MS = 1000;

/**
 * Listens for clients and gives what is for capsules to the edge.
 *
 * @throws the operating system's error when the address cannot be used.
 */
export async function listenEdge(options: EdgeServerOptions): Promise<EdgeServer> {
  const limits = { ...defaults, ...options.limits };
  const server = options.tls ? secureServer(options.tls, limits) : createServer(httpOptions(limits));
  server.maxConnections = limits.connections;
  const sockets = new Set<Duplex>();
  server.on("connection", (socket: Duplex) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  serve(server, options);
  if (options.tls) serveTunnels(server, options, limits);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(options.port, options.host, resolve);
  await promise;
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
      await promise;
    },
  };
}

function serve(server: Server, { edge, fallback }: EdgeServerOptions): void {
  const toOthers = (request: EdgeRequest, response: EdgeResponse): void => {
    if (fallback) fallback.request(request, response);
    else answerNothing(request, response);
  };
  server.on("request", (request: EdgeRequest, response: EdgeResponse) => {
    if (!edge.handle(request, response)) toOthers(request, response);
  });
  server.on("checkContinue", (request: EdgeRequest, response: EdgeResponse) => {
    // A service decides itself whether the body may come; for others it always may.
    if (edge.handle(request, response)) return;
    response.writeContinue();
    toOthers(request, response);
  });
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (edge.upgrade(request, socket, head)) return;
    if (fallback) fallback.upgrade(request, socket, head);
    else socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  });
}

/** Clients of HTTP/2 learn from the settings that they may open WebSockets (RFC 8441), the platform's as well as those of capsules. */
function serveTunnels(server: Server, options: EdgeServerOptions, limits: EdgeServerLimits): void {
  const { edge, fallback, random } = options;
  const platform = fallback && new PlatformWebSockets(fallback, httpOptions(limits), random);
  server.once("close", () => platform?.close());
  const takers = [
    (request: Http2ServerRequest, response: Http2ServerResponse): boolean =>
      edge.webSocketStream(request, response),
    (request: Http2ServerRequest, response: Http2ServerResponse): boolean => {
      platform?.relay(request, response);
      return platform !== undefined;
    },
  ];
  server.on("connect", (request: IncomingMessage | Http2ServerRequest, to: Duplex | Http2ServerResponse) => {
    if (to instanceof Duplex) to.destroy();
    else if ("stream" in request) serveTunnel(request, to, takers, random);
  });
}

function answerNothing(request: EdgeRequest, response: EdgeResponse): void {
  writeHead(response, 404, "Not Found", [
    ...Object.entries(platformHeaders(request)).flat(),
    "Content-Length",
    "0",
  ]);
  response.end();
}

/** A body has no end of its own once the protocol changes, so such requests are taken as ordinary ones. */
function httpOptions(limits: EdgeServerLimits) {
  return {
    headersTimeout: limits.headersMs,
    requestTimeout: 0,
    keepAliveTimeout: limits.keepAliveMs,
    maxHeaderSize: limits.headerBytes,
    connectionsCheckingInterval: CHECK_MS,
    insecureHTTPParser: false,
    requireHostHeader: true,
    noDelay: true,
    keepAlive: true,
    shouldUpgradeCallback: (request: IncomingMessage) => bodyOf(request) === "none",
  } satisfies ServerOptions & { readonly shouldUpgradeCallback: unknown };
}

function secureServer(tls: EdgeTls, limits: EdgeServerLimits): Server {
  const { contextFor } = tls;
  return createSecureServer({
    ...httpOptions(limits),
    allowHTTP1: true,
    cert: tls.cert,
    key: tls.key,
    minVersion: "TLSv1.2",
    handshakeTimeout: limits.headersMs,
    maxSessionMemory: 16,
    settings: {
      maxConcurrentStreams: 256,
      initialWindowSize: 1 << 20,
      maxHeaderListSize: limits.headerBytes,
      enableConnectProtocol: true,
    },
    ...(contextFor && {
      SNICallback: (name: string, done: (error: Error | null, context?: SecureContext) => void) =>
        done(null, contextFor(name)),
    }),
  });
}
