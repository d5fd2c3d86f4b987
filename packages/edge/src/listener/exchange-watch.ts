import { EventEmitter } from "node:events";
import { constants } from "node:http2";
import type { Clock, Random } from "@wrenn/core";
import { clientNetworks, WrennError } from "@wrenn/core";
import { answerError } from "../http/error-answer.ts";
import { addressOf, bodyOf, cutOff } from "../http/messages.ts";
import type { EdgeRequest, EdgeResponse } from "../http/messages.ts";
import { isRelayed } from "../http/relayed.ts";
import type { ClientConnection } from "./client-connections.ts";
import type { ListenerLimits } from "./listener-limits.ts";

interface Watched {
  readonly request: EdgeRequest;
  readonly response: EdgeResponse;
  readonly connection: ClientConnection;
  readonly begunAt: number;
  /** Bytes of the body that have arrived. */
  readonly received: () => number;
  body: Mark;
  answer: Mark;
  /** Of both directions. */
  either: Mark;
}

/** An exchange with a service in a capsule. */
type Relayed = Pick<Watched, "request" | "response" | "connection">;

/** An exchange, as far as bytes of it wait in this process. */
interface Waiting {
  readonly request: EdgeRequest;
  readonly bytes: number;
}

/** A count at a moment; monotonic. */
interface Mark {
  readonly at: number;
  readonly count: number;
}

export interface ExchangeWatchDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** What may wait of all exchanges; default: as the limits say. */
  readonly unreadBytes?: (() => number) | undefined;
}

/**
 * Ends exchanges with the platform that wait for their client for too long: a body that does not go on, or an answer that is not read.
 * Exchanges with services in capsules have limits of the edge instead, since their bodies may pause; only what waits of them in this
 * process is counted, in either direction. Exchanges that turn out to be admitted to a capsule get the same time.
 */
export class ExchangeWatch {
  readonly #deps: ExchangeWatchDeps;
  readonly #limits: ListenerLimits;
  readonly #watched = new Set<Watched>();
  readonly #relayed = new Set<Relayed>();

  constructor(deps: ExchangeWatchDeps, limits: ListenerLimits) {
    this.#deps = deps;
    this.#limits = limits;
  }

  add(request: EdgeRequest, response: EdgeResponse, connection: ClientConnection): void {
    const received = countReceived(request);
    const at = this.#deps.clock.monotonic();
    const watched: Watched = {
      request,
      response,
      connection,
      begunAt: at,
      received,
      body: { at, count: received() },
      answer: { at, count: 0 },
      either: { at, count: received() },
    };
    this.#watched.add(watched);
    response.once("close", () => this.#watched.delete(watched));
  }

  /** An exchange with a service. */
  addRelayed(request: EdgeRequest, response: EdgeResponse, connection: ClientConnection): void {
    const relayed = { request, response, connection };
    this.#relayed.add(relayed);
    response.once("close", () => this.#relayed.delete(relayed));
  }

  /** Ends what has waited for too long. */
  check(): void {
    const now = this.#deps.clock.monotonic();
    for (const watched of this.#watched) {
      const isPatient = isRelayed(watched.request);
      if (!isPatient && this.#isBodyStalled(watched, now)) this.#refuse(watched);
      else if (isPatient ? this.#isStalled(watched, now) : this.#isAnswerUnread(watched, now)) {
        this.#watched.delete(watched);
        cutOff(watched.request);
      }
    }
    this.#boundUnread();
  }

  /** Ends exchanges while too many bytes of them wait: those of the client with most of them first, and of its the largest first. */
  #boundUnread(): void {
    const most = this.#deps.unreadBytes?.() ?? this.#limits.unreadBytes;
    let total = 0;
    const clients = new Map<string, { bytes: number; readonly exchanges: Waiting[] }>();
    for (const exchanges of [this.#watched, this.#relayed]) {
      for (const { request, response, connection } of exchanges) {
        const bytes = unreadBytesOf(response) + untakenBytesOf(request);
        if (bytes === 0) continue;
        total += bytes;
        // A proxy has one connection for many clients.
        const name = connection.owner ?? clientNetworks(addressOf(request)).narrow;
        const client = clients.get(name) ?? { bytes: 0, exchanges: [] };
        client.bytes += bytes;
        client.exchanges.push({ request, bytes });
        clients.set(name, client);
      }
    }
    const byBytes = (a: { readonly bytes: number }, b: { readonly bytes: number }): number =>
      b.bytes - a.bytes;
    for (const { exchanges } of [...clients.values()].toSorted(byBytes)) {
      for (const { request, bytes } of exchanges.toSorted(byBytes)) {
        if (total <= most) return;
        total -= bytes;
        forget(request);
      }
    }
  }

  #isBodyStalled(watched: Watched, now: number): boolean {
    const { request, connection, received, begunAt } = watched;
    const { bodyStallMs, bodyBytes, anonymousBodyBytes, slowBodyMs } = this.#limits;
    const mayBeSlow = connection.isAuthenticated && now - begunAt < slowBodyMs;
    const least = mayBeSlow ? bodyBytes : anonymousBodyBytes;
    const count = received();
    // While the server has bytes that it has not taken, it is not the client that is slow.
    if (isComplete(request) || waitsForServer(request) || count - watched.body.count >= least) {
      watched.body = { at: now, count };
      return false;
    }
    return now - watched.body.at >= bodyStallMs;
  }

  #isAnswerUnread(watched: Watched, now: number): boolean {
    const { isAuthenticated } = watched.connection;
    const most = isAuthenticated ? this.#limits.answerStallMs : this.#limits.anonymousAnswerStallMs;
    const { waiting, count } = unreadOf(watched.response);
    if (!waiting || count !== watched.answer.count) {
      watched.answer = { at: now, count };
      return false;
    }
    return now - watched.answer.at >= most;
  }

  /** Whether nothing moves while the client is what is waited for. */
  #isStalled(watched: Watched, now: number): boolean {
    const { request, response, received } = watched;
    const { waiting, count } = unreadOf(response);
    const moved = received() + count;
    const isBodyDue = !isComplete(request) && !waitsForServer(request);
    if ((!waiting && !isBodyDue) || moved !== watched.either.count) {
      watched.either = { at: now, count: moved };
      return false;
    }
    return now - watched.either.at >= this.#limits.relayedStallMs;
  }

  #refuse(watched: Watched): void {
    const { request, response } = watched;
    this.#watched.delete(watched);
    if (response.headersSent || response.destroyed) {
      cutOff(request);
      return;
    }
    const error = new WrennError("body_stalled", { seconds: this.#limits.bodyStallMs / 1000 });
    if (!("stream" in response)) response.shouldKeepAlive = false;
    answerError(request, response, error, this.#deps.random.uuid());
  }
}

function countReceived(request: EdgeRequest): () => number {
  if (!("stream" in request)) return () => request.socket.bytesRead;
  let count = 0;
  // Not `on`, which would start the flow.
  EventEmitter.prototype.on.call(request.stream, "data", (chunk: Buffer) => {
    count += chunk.length;
  });
  return () => count;
}

/** Ends a request at once, and gives up what has arrived of it and waits to be sent. */
function forget(request: EdgeRequest): void {
  if ("stream" in request) {
    request.stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    // A stream that is not read would keep what it has.
    request.stream.destroy();
  } else request.socket.destroy();
}

function isComplete(request: EdgeRequest): boolean {
  return bodyOf(request) === "none" || request.complete;
}

function waitsForServer(request: EdgeRequest): boolean {
  return request.readableLength > 0 || ("stream" in request && request.stream.readableLength > 0);
}

function untakenBytesOf(request: EdgeRequest): number {
  return request.readableLength + ("stream" in request ? request.stream.readableLength : 0);
}

function unreadBytesOf(response: EdgeResponse): number {
  return "stream" in response ? response.stream.writableLength : response.writableLength;
}

/** Whether bytes wait to be sent, and a number that changes when some were. */
function unreadOf(response: EdgeResponse): { readonly waiting: boolean; readonly count: number } {
  if ("stream" in response) {
    const { writableLength } = response.stream;
    return { waiting: writableLength > 0, count: writableLength };
  }
  // Without a socket an earlier answer of the connection is not complete.
  const { socket } = response;
  if (!socket) return { waiting: false, count: 0 };
  return { waiting: socket.writableLength > 0, count: socket.bytesWritten - socket.writableLength };
}
