import { errorCatalogue, WrennError } from "@wrenn/core";
import type { ErrorReason } from "@wrenn/core";
import type { CapsuleRoute } from "../routing/capsule-route.ts";
import { isRecord } from "./message-shapes.ts";
import type { MessageOf } from "./message-shapes.ts";

/* What server and port process send each other: lists of these messages, of which `connection` comes alone and with a socket. */

/** Messages with `ref` ask: the other side answers with `answer` or `failed`, unless it gets `abort` before. */
export const toProcessShapes = {
  /** The first message; `settings` are {@link ProcessSettings}. */
  start: { settings: "any" },
  /** A connection of a client. `head`: what has arrived of it, in base64. `route`: that of `capsule`, see {@link routeToWire}. */
  connection: { connection: "number", head: "string", isSecure: "boolean", capsule: "string", route: "any" },
  destroy: { connection: "number" },
  /** The connection no longer counts for a team. */
  anonymous: { connection: "number" },
  invalidate: { capsule: "string" },
  /** Asks to end the connections of a capsule, and to refuse others until `reset`. */
  drain: { ref: "number", capsule: "string" },
  /** A capsule is gone: its connections end at once, and others are refused until `reset`. */
  end: { capsule: "string" },
  reset: { capsule: "string" },
  /** Access that was granted has ended; `error` as in {@link errorToWire}. */
  ended: { grant: "number", error: "any" },
  answer: { ref: "number", value: "any" },
  failed: { ref: "number", error: "any" },
  abort: { ref: "number" },
} as const;

export const toServerShapes = {
  ready: {},
  /** Asks for a route: `null` for no such capsule. */
  find: { ref: "number", capsule: "string" },
  resume: { ref: "number", capsule: "string" },
  /** Asks for the access that a credential of the kind gives: the number of a grant, or `null`. It is watched until `release`. */
  check: { ref: "number", kind: "string", credential: "string", capsule: "string", port: "number" },
  /** Watches the access of everyone to a public port; `grant` is a number below zero that the process chooses. */
  public: { grant: "number", capsule: "string", port: "number" },
  release: { grant: "number" },
  /** Asks whether credentials may be tried. */
  attempt: { ref: "number", address: "string", headers: "any" },
  attempt_failed: { ref: "number", address: "string" },
  /** Asks to count a connection for the owner of a port. */
  authenticated: { ref: "number", connection: "number", owner: "string", grant: "number" },
  /** A connection has arrived, serves a request, serves none any more, or is closed. */
  arrived: { connection: "number" },
  busy: { connection: "number" },
  idle: { connection: "number" },
  closed: { connection: "number" },
  /** Whether there are connections to a capsule. */
  in_use: { capsule: "string", isInUse: "boolean" },
  active: { capsule: "string" },
  log: { level: "string", event: "string", fields: "any" },
  answer: { ref: "number", value: "any" },
  failed: { ref: "number", error: "any" },
  abort: { ref: "number" },
} as const;

export type ToProcess = MessageOf<typeof toProcessShapes>;
export type ToServer = MessageOf<typeof toServerShapes>;

/** A message of one type. */
export type Of<M extends { readonly type: unknown }, T extends M["type"]> = Extract<M, { readonly type: T }>;

/** An error of the catalogue as a message has it; others become `internal`. */
export function errorToWire(error: unknown): unknown {
  if (error instanceof WrennError) return { reason: error.reason, context: error.context };
  return { reason: "internal", context: {}, problem: error instanceof Error ? error.message : String(error) };
}

export function errorFromWire(value: unknown): WrennError {
  const { reason, context, problem } = isRecord(value) ? value : {};
  const isKnown = typeof reason === "string" && Object.hasOwn(errorCatalogue, reason);
  const cause = new Error(typeof problem === "string" ? problem : "an error of the other process");
  // Which placeholders a reason has is not known to the types here.
  if (isKnown) return new WrennError(reason as ErrorReason, (context ?? {}) as never, { cause });
  return new WrennError("internal", {}, { cause });
}

/** What of a route leaves the server. A capsule that it reaches through another host is no one's but its own. */
export function routeToWire(route: CapsuleRoute) {
  const { owner, status, address, autoResume, publicPorts, tlsPorts = [], connect } = route;
  return { owner, status, address, autoResume, publicPorts, tlsPorts, isRemote: connect !== undefined };
}

/** @throws WrennError `request_misdirected` for a capsule that the port process cannot reach. */
export function routeFromWire(value: unknown): CapsuleRoute | undefined {
  if (value === null || value === undefined) return undefined;
  const route = value as ReturnType<typeof routeToWire>;
  if (route.isRemote) throw new WrennError("request_misdirected", {});
  return route;
}
