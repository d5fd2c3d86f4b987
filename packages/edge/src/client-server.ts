import { createServer } from "node:http";
import type { IncomingMessage, ServerOptions } from "node:http";
import { createSecureServer } from "node:http2";
import type { Http2ServerRequest, Http2ServerResponse, ServerHttp2Session } from "node:http2";
import type { Server } from "node:net";
import { Duplex } from "node:stream";
import type { SecureContext } from "node:tls";
import { TrustedProxies } from "@wrenn/core";
import type { Clock, Random } from "@wrenn/core";
import { joinPieces } from "@wrenn/system";
import type { Edge } from "./edge.ts";
import { noteForwarded } from "./http/forwarded.ts";
import { bodyOf, platformHeaders, writeHead } from "./http/messages.ts";
import type { EdgeRequest, EdgeResponse } from "./http/messages.ts";
import { PlatformWebSockets } from "./http/platform-websocket.ts";
import { serveTunnel } from "./http/tunnels.ts";
import type { ClientConnection, ClientConnections } from "./listener/client-connections.ts";
import { ExchangeWatch } from "./listener/exchange-watch.ts";
import { limitSession, STRANGER_WINDOW } from "./listener/http2-sessions.ts";
import type { ListenerLimits } from "./listener/listener-limits.ts";

export interface ClientServerOptions {
  readonly edge: Edge;
  /** With it, TLS with HTTP/2 and HTTP/1.1; without, plain HTTP/1.1. */
  readonly tls?: EdgeTls;
  /** Takes requests that are not for a port of a capsule. */
  readonly fallback?: EdgeFallback;
  /** The connections that are served, with their limits. */
  readonly connections: Pick<ClientConnections, "find" | "begin" | "limits">;
  /** Proxies whose word about a client is believed. Default: no one's. */
  readonly proxies?: TrustedProxies;
  /** What may wait in this process now; default: the limit of the connections. */
  readonly unreadBytes?: () => number;
  readonly clock: Clock;
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

/** Most fields of a request of HTTP/2; their size is limited too. */
const HTTP2_FIELDS = 2000;
/**
 * Streams of one connection at a time. Clients of E2B keep one connection to a sandbox, with a stream for each command that runs: one
 * more waits until another has ended.
 */
const HTTP2_STREAMS = 1000;

/** How often time limits of connections and requests are checked. */
export const CHECK_MS = 1000;

/** Serves the connections that it emits as `connection`: the edge what is for capsules, the fallback everything else. */
export interface ClientServer {
  readonly server: Server;
  /** Ends exchanges that have waited for too long, or hold too much; to be called every {@link CHECK_MS}. */
  check(): void;
  /** Ends what serves the platform's WebSockets of HTTP/2. */
  close(): void;
}

/** Creates a server that listens nowhere. */
export function createClientServer(options: ClientServerOptions): ClientServer {
  const { connections, clock, random } = options;
  const { limits } = connections;
  const server = options.tls ? secureServer(options.tls, limits) : createServer(httpOptions(limits));
  // Their size is limited; by default Node.js drops all fields after the first thousand.
  Object.assign(server, { maxHeadersCount: 0 });
  // Idle connections are ended by `closeIdle`, which knows those with credentials.
  server.on("timeout", () => undefined);
  server.on("session", (session: ServerHttp2Session) => {
    const connection = connections.find(session.socket);
    if (connection) limitSession(session, connection, connections, clock);
    else session.destroy();
  });
  const watch = new ExchangeWatch({ clock, random, unreadBytes: options.unreadBytes }, limits);
  serve(server, options, watch);
  const platform = options.fallback && options.tls && webSocketsOf(options.fallback, options);
  if (options.tls) serveTunnels(server, options, watch, platform);
  return { server, check: () => watch.check(), close: () => platform?.close() };
}

/** Each part that follows a request listens for its end: more of them than Node.js takes for a leak by default. */
const RESPONSE_LISTENERS = 30;

function serve(server: Server, options: ClientServerOptions, watch: ExchangeWatch): void {
  const { edge, fallback, connections, proxies = TrustedProxies.none } = options;
  const toOthers = (request: EdgeRequest, response: EdgeResponse, connection: ClientConnection): void => {
    watch.add(request, response, connection);
    if (fallback) fallback.request(request, response);
    else answerNothing(request, response);
  };
  /** Counts the request; undefined when its connection is gone, or has too many of them. */
  const arrive = (request: EdgeRequest, response: EdgeResponse): ClientConnection | undefined => {
    const connection = connections.find(request.socket);
    response.setMaxListeners(RESPONSE_LISTENERS);
    noteForwarded(request, proxies);
    joinPieces(request);
    if ("stream" in request) joinPieces(request.stream);
    // Streams of HTTP/2 are counted with their session.
    if (!connection || "stream" in response) return connection;
    response.once("close", connections.begin(connection));
    if (connection.inFlight <= connections.limits.pipelined) return connection;
    connection.socket.destroy();
    return undefined;
  };
  server.on("request", (request: EdgeRequest, response: EdgeResponse) => {
    const connection = arrive(request, response);
    if (!connection) return;
    if (edge.handle(request, response)) watch.addRelayed(request, response, connection);
    else toOthers(request, response, connection);
  });
  server.on("checkContinue", (request: EdgeRequest, response: EdgeResponse) => {
    const connection = arrive(request, response);
    if (!connection) return;
    // A service decides itself whether the body may come; for others it always may.
    if (edge.handle(request, response)) {
      watch.addRelayed(request, response, connection);
      return;
    }
    response.writeContinue();
    toOthers(request, response, connection);
  });
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const connection = connections.find(request.socket);
    if (!connection) {
      socket.destroy();
      return;
    }
    // It is in use until it closes.
    connections.begin(connection);
    noteForwarded(request, proxies);
    if (edge.upgrade(request, socket, head)) return;
    if (fallback) fallback.upgrade(request, socket, head);
    else socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  });
}

function webSocketsOf(
  fallback: EdgeFallback,
  { connections, random }: ClientServerOptions,
): PlatformWebSockets {
  return new PlatformWebSockets(fallback, httpOptions(connections.limits), random);
}

/** Clients of HTTP/2 learn from the settings that they may open WebSockets (RFC 8441), the platform's as well as those of capsules. */
function serveTunnels(
  server: Server,
  options: ClientServerOptions,
  watch: ExchangeWatch,
  platform: PlatformWebSockets | undefined,
): void {
  const { edge, random, connections, proxies = TrustedProxies.none } = options;
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
    else if ("stream" in request) {
      noteForwarded(request, proxies);
      joinPieces(request.stream);
      const connection = connections.find(request.socket);
      if (connection) watch.addRelayed(request, to, connection);
      serveTunnel(request, to, takers, random);
    }
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
function httpOptions(limits: ListenerLimits) {
  return {
    headersTimeout: limits.headersMs,
    requestTimeout: 0,
    // Clients learn it from each answer, also those without credentials, so it is the shorter time.
    keepAliveTimeout: limits.anonymousKeepAliveMs,
    maxHeaderSize: limits.headerBytes,
    connectionsCheckingInterval: CHECK_MS,
    insecureHTTPParser: false,
    requireHostHeader: true,
    noDelay: true,
    keepAlive: true,
    shouldUpgradeCallback: (request: IncomingMessage) => bodyOf(request) === "none",
  } satisfies ServerOptions & { readonly shouldUpgradeCallback: unknown };
}

function secureServer(tls: EdgeTls, limits: ListenerLimits): Server {
  const { contextFor } = tls;
  return createSecureServer({
    ...httpOptions(limits),
    allowHTTP1: true,
    cert: tls.cert,
    key: tls.key,
    minVersion: "TLSv1.2",
    handshakeTimeout: limits.headersMs,
    maxSessionMemory: 16,
    // Cookies come as a field each.
    maxHeaderListPairs: HTTP2_FIELDS,
    // A whole head of a service, with what each of its fields may take more than in HTTP/1.1.
    maxSendHeaderBlockLength: 4 * limits.headerBytes,
    settings: {
      maxConcurrentStreams: HTTP2_STREAMS,
      initialWindowSize: STRANGER_WINDOW,
      maxHeaderListSize: limits.headerBytes,
      enableConnectProtocol: true,
    },
    ...(contextFor && {
      SNICallback: (name: string, done: (error: Error | null, context?: SecureContext) => void) =>
        done(null, contextFor(name)),
    }),
  });
}
