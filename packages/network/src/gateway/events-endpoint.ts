import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { problemOf, withDeadline } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import { shareOf } from "./slot-allowance.ts";
import type { SlotState } from "./slot-state.ts";

const OK = 200;
const NOT_FOUND = 404;
const METHOD_NOT_ALLOWED = 405;
const UNAVAILABLE = 503;
/** A connection has one request, and is ended after this long. */
const TOTAL_MS = 5000;
const ANSWER_MS = 2000;
const HEADER_BYTES = 8192;
/** Connections of one slot, and of all. */
const MAX_PER_SLOT = 8;
const MAX_CONNECTIONS = 1024;
/** Public ids of capsules begin with it, and ids of sandboxes do not. */
const CAPSULE_PREFIX = "cl-";

export interface EventsEndpointOptions {
  readonly host: string;
  readonly port: number;
  /** The slot that an address belongs to; connections from others are ended. */
  readonly slotAt: (address: string) => SlotState | undefined;
  /** Public id of the capsule that has a slot; undefined while it has none. */
  readonly capsuleOf: (slot: number) => Promise<string | undefined>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * What clients of E2B expect at `events.e2b.local`: `GET /me` answers with the id of the sandbox that asks. The slot of the connection
 * decides, which no guest can choose; nothing that a request contains counts but its method and path. Listens until the signal aborts.
 */
export async function listenForEvents(options: EventsEndpointOptions, signal: AbortSignal): Promise<void> {
  let total = 0;
  const slots = new WeakMap<Socket, SlotState>();
  const server = createServer(
    { maxHeaderSize: HEADER_BYTES, headersTimeout: TOTAL_MS, requestTimeout: TOTAL_MS, keepAlive: false },
    (request, response) => {
      const slot = slots.get(request.socket);
      if (slot) void answer(options, slot, request, response, signal);
      else request.socket.destroy();
    },
  );
  server.on("connection", (socket) => {
    const slot = options.slotAt(socket.remoteAddress ?? "");
    if (!slot || slot.eventConnections >= shareOf(total, MAX_CONNECTIONS, MAX_PER_SLOT))
      return void socket.destroy();
    if (!slot.events.take(options.clock.now())) return void socket.destroy();
    total += 1;
    slot.eventConnections += 1;
    slots.set(socket, slot);
    const deadline = setTimeout(() => socket.destroy(), TOTAL_MS);
    socket.once("close", () => {
      clearTimeout(deadline);
      total -= 1;
      slot.eventConnections -= 1;
    });
  });
  const bound = Promise.withResolvers<void>();
  server.once("error", bound.reject);
  server.listen({ port: options.port, host: options.host }, bound.resolve);
  await bound.promise;
  signal.addEventListener(
    "abort",
    () => {
      server.close();
      server.closeAllConnections();
    },
    { once: true },
  );
}

async function answer(
  options: EventsEndpointOptions,
  slot: SlotState,
  { method, url = "" }: IncomingMessage,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  if (url.split("?", 1)[0] !== "/me") return refuse(response, NOT_FOUND, "only /me is here");
  if (method !== "GET" && method !== "HEAD")
    return refuse(response, METHOD_NOT_ALLOWED, "only GET is possible");
  try {
    const capsule = await withDeadline("the capsule of a slot", ANSWER_MS, signal, () =>
      options.capsuleOf(slot.number),
    );
    if (capsule === undefined) refuse(response, NOT_FOUND, "no sandbox has this connection");
    else send(response, OK, { sandboxID: capsule.slice(CAPSULE_PREFIX.length) });
  } catch (error) {
    options.logger.debug("network.events_failed", { slot: slot.number, problem: problemOf(error) });
    refuse(response, UNAVAILABLE, "the host does not answer: try again");
  }
}

function refuse(response: ServerResponse, code: number, message: string): void {
  send(response, code, { code, message });
}

function send(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
    connection: "close",
  });
  response.end(text);
}
