import type { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { parseId, problemOf, randomHex, WrennError } from "@wrenn/core";
import type { Clock, Logger, Random } from "@wrenn/core";
import type { Database } from "@wrenn/database";
import { Type } from "typebox";
import { Value } from "typebox/value";
import { WebSocketServer } from "ws";
import type { WebSocket } from "ws";
import { actingForPlatform } from "../accounts/administrators.ts";
import { requireScope } from "./identity.ts";
import type { Identity, RequestAuthenticator, Scope } from "./identity.ts";
import { toWire } from "./envelope.ts";
import type { RequestLimits } from "./request-limits.ts";
import { COMMAND_PATIENCE_MS } from "../capsules/running-capsules.ts";
import type { CapsuleOpener } from "../capsules/running-capsules.ts";
import { execStream } from "../processes/exec-stream.ts";
import { fileWatch } from "../files/file-watch.ts";
import { processStream } from "../processes/process-stream.ts";
import { BINARY_SUBPROTOCOL, pty } from "../processes/pty.ts";
import { SocketRefused } from "./socket-handler.ts";
import type { SocketHandler } from "./socket-handler.ts";
import { closeCode, ClientSocket } from "./client-socket.ts";

/** Largest message of a client; larger input is sent in several. */
const MAX_MESSAGE = 1 << 20;
const AUTH_MS = 5000;
const KEEP_ALIVE_MS = 30_000;
const PATH = /^\/v1\/(admin\/)?capsules\/([^/]+)\/(.+)$/;
const SELECTOR = /^processes\/([^/]+)\/stream$/;

/** What there is below the path of a capsule, and what it needs of a key. */
export const socketRoutes = {
  "exec/stream": "run",
  pty: "run",
  "files/watch": "read",
  "processes/:selector/stream": "read",
} as const satisfies Readonly<Record<string, Scope>>;

const Auth = Type.Object({ type: Type.Literal("auth"), token: Type.String({ maxLength: 8192 }) });

interface Route {
  /** Of capsules of the platform. */
  readonly isAdmin: boolean;
  readonly id: string;
  readonly kind: keyof typeof socketRoutes;
  readonly query: URLSearchParams;
  readonly session: (subprotocol: string) => SocketHandler;
}

export interface WebSockets {
  readonly upgrade: (request: IncomingMessage, connection: Duplex, head: Buffer) => void;
  /** Ends every session. */
  readonly close: () => void;
}

export interface WebSocketsDeps {
  readonly authenticator: RequestAuthenticator;
  readonly capsules: CapsuleOpener;
  readonly clock: Clock;
  readonly database: Database;
  readonly limits: RequestLimits;
  readonly logger: Logger;
  readonly random: Random;
}

/** The WebSocket part of the API (contract 11). */
export function createWebSockets(deps: WebSocketsDeps): WebSockets {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE,
    perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has(BINARY_SUBPROTOCOL) ? BINARY_SUBPROTOCOL : false),
  });
  const closing = new AbortController();
  const upgrade: WebSockets["upgrade"] = (request, connection, head) => {
    connection.on("error", () => connection.destroy());
    const requestId = `req-${randomHex(deps.random, 12)}`;
    let route: Route;
    try {
      route = findRoute(request);
    } catch (error) {
      refuse(connection, toWire(error, requestId, deps.logger));
      return;
    }
    if (connection instanceof Socket) connection.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MS);
    sockets.handleUpgrade(request, connection, head, (socket) => {
      serve(socket, request, route, deps, { requestId, closing: closing.signal }).catch((error: unknown) =>
        deps.logger.error("websocket.failed", { request_id: requestId, problem: problemOf(error) }),
      );
    });
  };
  return { upgrade, close: () => closing.abort(new Error("the server is closing")) };
}

async function serve(
  webSocket: WebSocket,
  request: IncomingMessage,
  route: Route,
  deps: WebSocketsDeps,
  { requestId, closing }: { readonly requestId: string; readonly closing: AbortSignal },
): Promise<void> {
  const socket = new ClientSocket(webSocket);
  const signal = AbortSignal.any([socket.closed, closing]);
  const { capsules, logger, clock } = deps;
  const startedAt = clock.monotonic();
  let outcome = "done";
  const fatal = route.kind === "pty" ? { fatal: true } : {};
  try {
    const authenticated = await authenticate(socket, request, deps, signal);
    if (!authenticated) {
      outcome = "authentication failed";
      await socket.send({ type: "error", data: outcome, ...fatal });
      socket.close(closeCode.policy, outcome);
      return;
    }
    const identity = route.isAdmin ? await actingForPlatform(deps.database, authenticated) : authenticated;
    requireScope(identity, socketRoutes[route.kind]);
    const capsule = await capsules.open(identity.teamId, route.id, COMMAND_PATIENCE_MS);
    const touch = (): void => {
      capsule.touch().catch((error: unknown) => logger.warn("touch failed", { problem: problemOf(error) }));
    };
    const context = {
      processes: capsule.processes,
      files: capsule.files,
      query: route.query,
      clock,
      logger,
      touch: throttle(touch, () => clock.monotonic()),
      signal,
    };
    try {
      await route.session(webSocket.protocol)(socket, context);
    } finally {
      touch();
    }
    socket.close(closeCode.done, "");
  } catch (error) {
    outcome = problemOf(error);
    if (!socket.closed.aborted) {
      const data =
        error instanceof SocketRefused ? error.message : toWire(error, requestId, logger).body.error.message;
      await socket.send({ type: "error", data: closing.aborted ? "the server is closing" : data, ...fatal });
      socket.close(closeCode.failure, "");
    }
  } finally {
    logger.info("websocket", {
      path: request.url?.split("?")[0] ?? "",
      outcome,
      ms: Math.round(clock.monotonic() - startedAt),
      request_id: requestId,
    });
  }
}

/** By header at the upgrade, otherwise by the first message, which must come in time (contract 11 §1.1). */
async function authenticate(
  socket: ClientSocket,
  request: IncomingMessage,
  { authenticator, limits }: WebSocketsDeps,
  signal: AbortSignal,
): Promise<Identity | undefined> {
  try {
    const identity = await authenticator.authenticate(request.headers);
    limits.identified(identity);
    return identity;
  } catch (error) {
    if (!(error instanceof WrennError) || isFinal(error)) throw error;
  }
  try {
    const message = await socket.receive(AbortSignal.any([signal, AbortSignal.timeout(AUTH_MS)]));
    const token = message?.type === "json" && Value.Check(Auth, message.value) ? message.value.token : "";
    const headers = { authorization: `Bearer ${token}` };
    return await limits.admit(authenticator, { headers, ip: request.socket.remoteAddress ?? "" });
  } catch (error) {
    if (error instanceof WrennError && isFinal(error)) throw error;
    return undefined;
  }
}

/** Whether other credentials would not help. */
function isFinal(error: WrennError): boolean {
  return error.entry.fault === "system" || error.reason === "rate_limited";
}

/** @throws WrennError `invalid_id`, `route_not_found`. */
function findRoute(request: IncomingMessage): Route {
  const url = URL.parse(request.url ?? "", "http://localhost");
  const [, admin, id = "", rest = ""] = PATH.exec(url?.pathname ?? "") ?? [];
  const selector = SELECTOR.exec(rest)?.[1];
  const kind = selector === undefined ? rest : "processes/:selector/stream";
  if (!url || !isKind(kind)) {
    throw new WrennError("route_not_found", {
      method: "WebSocket",
      path: (request.url ?? "").split("?")[0] ?? "",
    });
  }
  parseId("capsule", id);
  const sessions: Readonly<Record<typeof kind, Route["session"]>> = {
    "exec/stream": () => execStream,
    pty,
    "files/watch": () => fileWatch,
    "processes/:selector/stream": () => processStream(decode(selector ?? "")),
  };
  return { isAdmin: admin !== undefined, id, kind, query: url.searchParams, session: sessions[kind] };
}

function isKind(text: string): text is Route["kind"] {
  return Object.hasOwn(socketRoutes, text);
}

/** A selector as it was before it was escaped; one that is escaped wrongly stands for itself and is not found. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function refuse(connection: Duplex, { status, body }: ReturnType<typeof toWire>): void {
  const text = JSON.stringify(body);
  connection.end(
    [
      `HTTP/1.1 ${status} Refused`,
      "Content-Type: application/json; charset=utf-8",
      `Content-Length: ${Buffer.byteLength(text)}`,
      "Connection: close",
      "",
      text,
    ].join("\r\n"),
  );
}

const TOUCH_MS = 5000;

/** Activity is written down at most this often. */
function throttle(work: () => void, now: () => number): () => void {
  let last = -Infinity;
  return () => {
    if (now() - last < TOUCH_MS) return;
    last = now();
    work();
  };
}
