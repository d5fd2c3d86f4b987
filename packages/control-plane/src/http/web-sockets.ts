import type { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { parseId, problemOf, randomHex, WrennError } from "@wrenn/core";
import type { Clock, Logger, Random, TrustedProxies } from "@wrenn/core";
import type { CapsuleFiles, CapsuleProcesses } from "@wrenn/protocol";
import { Type } from "typebox";
import { Value } from "typebox/value";
import { WebSocketServer } from "ws";
import { isContractSocket } from "./contract-routes.ts";
import { requireScope } from "./identity.ts";
import type { Identity } from "./identity.ts";
import { administratorGrant, grantOf } from "./access-grants.ts";
import type { AccessGrant } from "./access-grants.ts";
import type { AccessWatch } from "./access-watch.ts";
import { toWire } from "./envelope.ts";
import { platformHeaders } from "./guard-answer.ts";
import { hasCredentials } from "./known-credentials.ts";
import { FirstBytes } from "./first-message.ts";
import type { RequestLimits } from "./request-limits.ts";
import { SocketRefused } from "./socket-route.ts";
import type { SocketRoute } from "./socket-route.ts";
import { closeCode, ClientSocket } from "./client-socket.ts";
import type { PendingWork } from "./pending-work.ts";
import { ReadAhead } from "./read-ahead.ts";
import { listedOrRefused, prefersStrict } from "./strict-fields.ts";

/** Largest message of a client; larger input is sent in several. */
const MAX_MESSAGE = 1 << 20;
/** Of the protocol (RFC 6455 §4.2.2); a client that asks for another one learns it from the refusal. */
const VERSION = 13;
const AUTH_MS = 5000;
const KEEP_ALIVE_MS = 30_000;
const PATH = /^\/v1\/(admin\/)?capsules\/([^/]+)\/(.+)$/;

const Auth = Type.Object({ type: Type.Literal("auth"), token: Type.String({ maxLength: 8192 }) });

/** A request to open a session. */
interface SocketRequest {
  /** For a capsule of the platform. */
  readonly isAdmin: boolean;
  readonly capsuleId: string;
  readonly route: SocketRoute;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Whether fields that the route does not know are refused. */
  readonly isStrict: boolean;
}

/** The capsule that a session works with. */
export interface SocketCapsule {
  readonly processes: CapsuleProcesses;
  readonly files: CapsuleFiles;
  /** Records activity. */
  touch(): Promise<void>;
}

export interface WebSockets {
  readonly upgrade: (request: IncomingMessage, connection: Duplex, head: Buffer) => void;
  /** Ends every session. */
  readonly close: () => void;
}

export interface WebSocketsDeps {
  readonly routes: readonly SocketRoute[];
  readonly access: AccessWatch;
  /** The identity of an administrator who acts for the platform; throws for everyone else. */
  readonly actForPlatform: (identity: Identity) => Promise<Identity>;
  /** Records that someone opened a session. */
  readonly recordSession: (identity: Identity, capsuleId: string, action: string) => void;
  /** A running capsule of the team that the identity acts for. */
  readonly openCapsule: (identity: Identity, capsuleId: string) => Promise<SocketCapsule>;
  readonly clock: Clock;
  readonly limits: RequestLimits;
  /** The sessions that are open. */
  readonly sessions: PendingWork;
  readonly logger: Logger;
  readonly random: Random;
  readonly proxies: TrustedProxies;
}

/** The WebSocket part of the API (docs/reference/websocket-api.md). */
export function createWebSockets(deps: WebSocketsDeps): WebSockets {
  const match = createMatcher(deps.routes);
  const subprotocols = deps.routes.flatMap(({ subprotocol = [] }) => subprotocol);
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE,
    perMessageDeflate: false,
    // Pongs are sent by the client socket, which does not send more than its client takes.
    autoPong: false,
    handleProtocols: (offered) => subprotocols.find((known) => offered.has(known)) ?? false,
  });
  sockets.on("wsClientError", (error: Error, connection: Duplex, request: IncomingMessage) => {
    const refusal = new WrennError("request_refused", { problem: error.message }, { cause: error });
    refuse(
      request,
      connection,
      toWire(refusal, `req-${randomHex(deps.random, 12)}`, deps.logger),
      deps.proxies,
    );
  });
  const closing = new AbortController();
  const readAhead = new ReadAhead();
  const upgrade: WebSockets["upgrade"] = (request, connection, head) => {
    connection.on("error", () => connection.destroy());
    const requestId = `req-${randomHex(deps.random, 12)}`;
    let socketRequest: SocketRequest;
    try {
      socketRequest = match(request);
    } catch (error) {
      refuse(request, connection, toWire(error, requestId, deps.logger), deps.proxies);
      return;
    }
    if (connection instanceof Socket) connection.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MS);
    sockets.handleUpgrade(request, connection, head, (socket) => {
      const first = new FirstBytes(socket, connection, hasCredentials(request.headers));
      const client = new ClientSocket(socket, readAhead);
      serve(client, first, request, socketRequest, deps, {
        subprotocol: socket.protocol,
        requestId,
        closing: closing.signal,
        connection,
      }).catch((error: unknown) =>
        deps.logger.error("websocket.failed", { request_id: requestId, problem: problemOf(error) }),
      );
    });
  };
  return { upgrade, close: () => closing.abort(new Error("the server is closing")) };
}

async function serve(
  socket: ClientSocket,
  first: FirstBytes,
  request: IncomingMessage,
  { isAdmin, capsuleId, route, params, query, isStrict }: SocketRequest,
  deps: WebSocketsDeps,
  {
    subprotocol,
    requestId,
    closing,
    connection,
  }: {
    readonly subprotocol: string;
    readonly requestId: string;
    readonly closing: AbortSignal;
    readonly connection: Duplex;
  },
): Promise<void> {
  const signal = AbortSignal.any([socket.closed, closing]);
  const { access, actForPlatform, openCapsule, sessions, logger, clock } = deps;
  const accessEnded = new AbortController();
  const releases: (() => void)[] = [];
  const watch = (grant: AccessGrant): void => {
    const onEnd = (reason: WrennError): void => {
      accessEnded.abort(reason);
      const code = reason.entry.fault === "user" ? closeCode.policy : closeCode.failure;
      socket.cut(
        { type: "error", data: reason.message, reason: reason.reason, ...fatal },
        code,
        reason.reason,
      );
    };
    releases.push(access.hold(grant, onEnd));
  };
  const startedAt = clock.monotonic();
  let outcome = "done";
  const fatal = route.hasFatalErrors === true ? { fatal: true } : {};
  try {
    const authenticated = await authenticate(socket, first, request, isStrict, deps, signal);
    if (!authenticated) {
      outcome = "authentication failed";
      await socket.send({ type: "error", data: outcome, ...fatal });
      socket.close(closeCode.policy, outcome);
      return;
    }
    watch(grantOf(authenticated, route.scope));
    const identity = isAdmin ? await actForPlatform(authenticated) : authenticated;
    if (isAdmin) watch(administratorGrant(identity));
    requireScope(identity, route.scope);
    using session = sessions.begin(identity.teamId, capsuleId);
    if (!socket.charge(session, connection)) {
      outcome = "there is no memory for another session";
      await socket.send({ type: "error", data: outcome, ...fatal });
      socket.close(closeCode.overload, outcome);
      return;
    }
    const capsule = await openCapsule(identity, capsuleId);
    if (route.auditAction !== undefined) deps.recordSession(identity, capsuleId, route.auditAction);
    const touch = (): void => {
      capsule.touch().catch((error: unknown) => logger.warn("touch failed", { problem: problemOf(error) }));
    };
    const context = {
      processes: capsule.processes,
      files: capsule.files,
      params,
      query,
      isStrict,
      subprotocol,
      clock,
      logger,
      touch: throttle(touch, () => clock.monotonic()),
      signal,
      accessEnded: accessEnded.signal,
    };
    signal.throwIfAborted();
    try {
      await route.handler(socket, context);
    } finally {
      touch();
    }
    socket.close(closeCode.done, "");
  } catch (error) {
    outcome = problemOf(accessEnded.signal.reason ?? error);
    if (!socket.closed.aborted) {
      const data =
        error instanceof SocketRefused ? error.message : toWire(error, requestId, logger).body.error.message;
      await socket.send({ type: "error", data: closing.aborted ? "the server is closing" : data, ...fatal });
      socket.close(closeCode.failure, "");
    }
  } finally {
    for (const release of releases) release();
    socket.discard();
    logger.info("websocket", {
      path: request.url?.split("?")[0] ?? "",
      outcome,
      ms: Math.round(clock.monotonic() - startedAt),
      request_id: requestId,
    });
  }
}

/** By header at the upgrade, otherwise by the first message, which must come in time (docs/reference/websocket-api.md#authentication). */
async function authenticate(
  socket: ClientSocket,
  first: FirstBytes,
  request: IncomingMessage,
  isStrict: boolean,
  { limits }: WebSocketsDeps,
  signal: AbortSignal,
): Promise<Identity | undefined> {
  try {
    if (hasCredentials(request.headers))
      return await first.check(async () => await limits.admit(request), isFinal);
  } catch (error) {
    if (isFinal(error)) throw error;
  }
  try {
    const message = await socket.receive(AbortSignal.any([signal, AbortSignal.timeout(AUTH_MS)]));
    const auth = message?.type === "json" && Value.Check(Auth, message.value) ? message.value : undefined;
    const admit = async (): Promise<Identity> => {
      if (auth) listedOrRefused(Auth, auth, isStrict);
      return await limits.admit(request, { authorization: `Bearer ${auth?.token ?? ""}` });
    };
    return await first.check(admit, () => true);
  } catch (error) {
    if (error instanceof WrennError && (isFinal(error) || error.reason === "invalid_field")) throw error;
    return undefined;
  }
}

/** Whether other credentials would not help. */
function isFinal(error: unknown): boolean {
  if (!(error instanceof WrennError)) return true;
  return error.entry.fault === "system" || error.entry.code === "rate_limited";
}

/** @returns a function that finds the route of an upgrade. It throws WrennError `invalid_id`, `invalid_field`, `route_not_found`. */
function createMatcher(routes: readonly SocketRoute[]): (request: IncomingMessage) => SocketRequest {
  const patterns = routes.map((route) => ({
    route,
    pattern: new RegExp(`^${route.path.replaceAll(/:(\w+)/g, "(?<$1>[^/]+)")}$`),
  }));
  return (request) => {
    const url = URL.parse(request.url ?? "", "http://localhost");
    const [, admin, capsuleId = "", rest = ""] = PATH.exec(url?.pathname ?? "") ?? [];
    for (const { route, pattern } of patterns) {
      const match = pattern.exec(rest);
      if (!url || !match) continue;
      parseId("capsule", capsuleId);
      const segments = Object.entries(match.groups ?? {});
      const params = Object.fromEntries(segments.map(([name, text]) => [name, decode(text)]));
      const isStrict = prefersStrict(request.headers) || !isContractSocket(route.path);
      const query = url.searchParams;
      const known = { properties: Object.fromEntries((route.query ?? []).map((name) => [name, {}])) };
      listedOrRefused(known, Object.fromEntries(query), isStrict);
      return { isAdmin: admin !== undefined, capsuleId, route, params, query, isStrict };
    }
    throw new WrennError("route_not_found", {
      method: "WebSocket",
      path: (request.url ?? "").split("?")[0] ?? "",
    });
  };
}

/** A segment of a path without its escapes; one that is escaped wrongly is returned as it is, and is found nowhere. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function refuse(
  request: IncomingMessage,
  connection: Duplex,
  { status, body }: ReturnType<typeof toWire>,
  proxies: TrustedProxies,
): void {
  const text = JSON.stringify(body);
  connection.end(
    [
      `HTTP/1.1 ${status} Refused`,
      "Content-Type: application/json; charset=utf-8",
      `Content-Length: ${Buffer.byteLength(text)}`,
      "Connection: close",
      `Sec-WebSocket-Version: ${VERSION}`,
      ...Object.entries(platformHeaders(request, proxies)).map(([name, value]) => `${name}: ${value}`),
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
