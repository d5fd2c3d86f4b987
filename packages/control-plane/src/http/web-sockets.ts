import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { problemOf, randomHex, silentLogger, WrennError } from "@wrenn/core";
import type { Clock, Logger, Random, TrustedProxies } from "@wrenn/core";
import type { CapsuleFiles, CapsuleProcesses } from "@wrenn/protocol";
import { Type } from "typebox";
import { Value } from "typebox/value";
import { WebSocketServer } from "ws";
import { isCapsuleName } from "./capsule-names.ts";
import type { ResolveCapsule } from "./capsule-names.ts";
import type { CrossOrigins } from "./cross-origins.ts";
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
import { createMatcher } from "./socket-matcher.ts";
import type { SocketRequest } from "./socket-matcher.ts";
import type { SocketRoute, TeamSocketRoute } from "./socket-route.ts";
import { closeCode, ClientSocket } from "./client-socket.ts";
import type { PendingWork } from "./pending-work.ts";
import { ReadAhead } from "./read-ahead.ts";
import { sessionError } from "./session-error.ts";
import { listedOrRefused } from "./strict-fields.ts";
import { isWithoutGuest } from "./without-guest.ts";

/** Largest message of a client; larger input is sent in several. */
export const MAX_MESSAGE = 1 << 20;
/** In how many frames, or reads of the connection, it may come: on average 256 bytes each, which packets exceed. */
const MAX_PIECES = 4096;
/** Of the protocol (RFC 6455 §4.2.2); a client that asks for another one learns it from the refusal. */
const VERSION = 13;
const AUTH_MS = 5000;
/** A client that was refused has this long to send its first frame: some send it right after the upgrade and cannot once they are closed. */
const REFUSED_MS = 2000;
const KEEP_ALIVE_MS = 30_000;

const credential = Type.String({ maxLength: 8192 });
/** First messages of clients without credentials in their headers. As in headers, only the key is tried where there is one. */
const KeyAuth = Type.Object({ type: Type.Literal("auth"), api_key: credential });
const TokenAuth = Type.Object({ type: Type.Literal("auth"), token: credential });

/** The capsule that a session works with. */
export interface SocketCapsule {
  readonly processes: CapsuleProcesses;
  readonly files: CapsuleFiles;
  /** Records activity. */
  touch(): Promise<void>;
}

/** What sessions learn about the state of their capsule. */
export interface SocketStates {
  follow(teamId: string, capsuleId: string, onStatus: (status: string) => void): () => void;
  /** The error of a session that ended without its guest, or why it did. */
  explain(teamId: string, capsuleId: string, error: unknown, signal: AbortSignal): Promise<unknown>;
}

export interface WebSockets {
  readonly upgrade: (request: IncomingMessage, connection: Duplex, head: Buffer) => void;
  /** Ends every session. */
  readonly close: () => void;
}

export interface WebSocketsDeps {
  readonly routes: readonly (SocketRoute | TeamSocketRoute)[];
  readonly access: AccessWatch;
  /** The identity of an administrator who acts for the platform; throws for everyone else. */
  readonly actForPlatform: (identity: Identity) => Promise<Identity>;
  /** Records that someone opened a session. */
  readonly recordSession: (identity: Identity, capsuleId: string, action: string) => void;
  readonly resolveCapsule: ResolveCapsule;
  /** A running capsule of the team that the identity acts for. */
  readonly openCapsule: (identity: Identity, capsuleId: string) => Promise<SocketCapsule>;
  readonly states: SocketStates;
  readonly clock: Clock;
  readonly limits: RequestLimits;
  /** The sessions that are open. */
  readonly sessions: PendingWork;
  readonly logger: Logger;
  readonly random: Random;
  readonly proxies: TrustedProxies;
  /** Pages of other origins that may open sessions. */
  readonly origins: CrossOrigins;
}

/** The WebSocket part of the API (docs/reference/websocket-api.md). */
export function createWebSockets(deps: WebSocketsDeps): WebSockets {
  const match = createMatcher(deps.routes);
  const subprotocols = deps.routes.flatMap(({ subprotocol = [] }) => subprotocol);
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE,
    // Each is an object until its message is complete, however small it is.
    maxFragments: MAX_PIECES,
    maxBufferedChunks: MAX_PIECES,
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
      if (!deps.origins.admitsSocket(request))
        throw new WrennError("foreign_page", { origin: (request.headers.origin ?? "").slice(0, 200) });
    } catch (error) {
      refuse(request, connection, toWire(error, requestId, deps.logger), deps.proxies);
      return;
    }
    if (connection instanceof Socket) connection.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MS);
    requireKnownName(request, socketRequest, deps).then(
      () => open(request, connection, head, socketRequest, requestId),
      (error: unknown) => refuse(request, connection, toWire(error, requestId, deps.logger), deps.proxies),
    );
  };
  const open = (
    request: IncomingMessage,
    connection: Duplex,
    head: Buffer,
    socketRequest: SocketRequest,
    requestId: string,
  ): void => {
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

/**
 * What is neither an id nor a name is refused before the upgrade, as far as the credentials are known by then. Everything else is found
 * out by the session.
 *
 * @throws WrennError `capsule_name_unknown`.
 */
async function requireKnownName(
  request: IncomingMessage,
  { isAdmin, named, route }: SocketRequest,
  { limits, actForPlatform, resolveCapsule }: WebSocketsDeps,
): Promise<void> {
  if ("root" in route || !isCapsuleName(named) || !hasCredentials(request.headers)) return;
  try {
    const identity = await limits.admit(request);
    await resolveCapsule((isAdmin ? await actForPlatform(identity) : identity).teamId, named);
  } catch (error) {
    if (WrennError.is(error, "capsule_name_unknown")) throw error;
  }
}

async function serve(
  socket: ClientSocket,
  first: FirstBytes,
  request: IncomingMessage,
  { isAdmin, named, route, params, query, isStrict }: SocketRequest,
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
  const { access, actForPlatform, openCapsule, resolveCapsule, sessions, logger, clock } = deps;
  const accessEnded = new AbortController();
  const releases: (() => void)[] = [];
  const failure = {
    isFatal: route.hasFatalErrors === true,
    isTyped: subprotocol !== "",
    requestId,
    logger,
  };
  const watch = (grant: AccessGrant): void => {
    const onEnd = (reason: WrennError): void => {
      accessEnded.abort(reason);
      const code = reason.entry.fault === "user" ? closeCode.policy : closeCode.failure;
      const message = { ...sessionError(reason, failure, reason.message), reason: reason.reason };
      socket.cut(message, code, reason.reason);
    };
    releases.push(access.hold(grant, onEnd));
  };
  const startedAt = clock.monotonic();
  let outcome = "done";
  let opened: { readonly teamId: string; readonly capsuleId: string } | undefined;
  try {
    const authenticated = await authenticate(socket, first, request, isStrict, deps, signal);
    if (!authenticated) {
      outcome = "authentication failed";
      const refusal = new WrennError(
        hasCredentials(request.headers) ? "api_key_invalid" : "credentials_missing",
        {},
      );
      await socket.send(sessionError(refusal, failure, outcome));
      await socket.settle(REFUSED_MS);
      socket.close(closeCode.policy, outcome);
      return;
    }
    watch(grantOf(authenticated, route.scope));
    const identity = isAdmin ? await actForPlatform(authenticated) : authenticated;
    if (isAdmin) watch(administratorGrant(identity));
    requireScope(identity, route.scope);
    const id = "root" in route ? named : await resolveCapsule(identity.teamId, named);
    using session = sessions.begin(identity.teamId, id);
    if (!socket.charge(session, connection)) {
      outcome = "there is no memory for another session";
      const refusal = new WrennError("too_much_under_way", { limit: sessions.count, scope: "server" });
      await socket.send(sessionError(refusal, failure, outcome));
      await socket.settle(REFUSED_MS);
      socket.close(closeCode.overload, outcome);
      return;
    }
    if ("root" in route) {
      await route.handler(socket, { teamId: identity.teamId, id, query, clock, signal });
      socket.close(closeCode.done, "");
      return;
    }
    const capsule = await openCapsule(identity, id);
    opened = { teamId: identity.teamId, capsuleId: id };
    if (route.auditAction !== undefined) deps.recordSession(identity, id, route.auditAction);
    const touch = (): void => {
      capsule.touch().catch((error: unknown) => logger.warn("touch failed", { problem: problemOf(error) }));
    };
    const context = {
      capsuleId: id,
      processes: capsule.processes,
      files: capsule.files,
      params,
      query,
      isStrict,
      subprotocol,
      clock,
      logger,
      followStatus: (onStatus: (status: string) => void) => deps.states.follow(identity.teamId, id, onStatus),
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
  } catch (thrown) {
    const error =
      opened && isWithoutGuest(thrown) && !signal.aborted
        ? await deps.states.explain(opened.teamId, opened.capsuleId, thrown, signal)
        : thrown;
    outcome = problemOf(accessEnded.signal.reason ?? error);
    if (!socket.closed.aborted) {
      // A server that closes in good order has no failure to log.
      const message = closing.aborted
        ? sessionError(new WrennError("server_closing", {}), { ...failure, logger: silentLogger })
        : sessionError(error, failure);
      await socket.send(message);
      if (!closing.aborted) await socket.settle(REFUSED_MS);
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
    const value = message?.type === "json" ? message.value : undefined;
    return await first.check(
      async () => await limits.admit(request, credentialsOf(value, isStrict)),
      () => true,
    );
  } catch (error) {
    if (error instanceof WrennError && (isFinal(error) || error.reason === "invalid_field")) throw error;
    return undefined;
  }
}

/** The credentials of a first message, as headers have them; wrong ones where it has none. @throws WrennError `invalid_field`. */
function credentialsOf(message: unknown, isStrict: boolean): IncomingHttpHeaders {
  if (Value.Check(KeyAuth, message)) {
    listedOrRefused(KeyAuth, message, isStrict);
    return { "x-api-key": message.api_key };
  }
  if (!Value.Check(TokenAuth, message)) return { authorization: "Bearer " };
  listedOrRefused(TokenAuth, message, isStrict);
  return { authorization: `Bearer ${message.token}` };
}

/** Whether other credentials would not help. */
function isFinal(error: unknown): boolean {
  if (!(error instanceof WrennError)) return true;
  return error.entry.fault === "system" || error.entry.code === "rate_limited";
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
