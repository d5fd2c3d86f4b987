import type { IncomingMessage } from "node:http";
import { Http2ServerRequest } from "node:http2";
import { clientNetworks, WrennError } from "@wrenn/core";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { App } from "./app.ts";

const MIB = 1 << 20;
const CAPSULE_ROUTE = /^\/v1\/(?:admin\/)?capsules\/:id\b/;
const LENGTH = /^\d{1,15}$/;

declare module "fastify" {
  interface FastifyContextConfig {
    /** The route takes its body as it arrives, and never holds all of it. */
    streamsBody?: boolean;
  }
}

/** Bytes of request bodies that may be in memory at a time. */
export interface BodyLimits {
  readonly capsule: number;
  readonly team: number;
  /** Of all teams. */
  readonly server: number;
  /** Of clients without credentials in one IPv4 address or IPv6 /64. */
  readonly network: number;
  /** The same for an IPv6 /48. */
  readonly site: number;
  /** Of all clients without credentials. They take nothing from the teams. */
  readonly anonymous: number;
}

export const bodyLimits: BodyLimits = {
  capsule: 64 * MIB,
  team: 128 * MIB,
  server: 512 * MIB,
  network: 2 * MIB,
  site: 16 * MIB,
  anonymous: 256 * MIB,
};

type Scope = readonly [kind: keyof BodyLimits, key: string];

/**
 * Bounds the memory of request bodies. A body counts with its announced length, or with the longest that its route takes, before its first
 * byte is read, and until its request is answered or its client has left: the content is held that long.
 */
export function limitBodies(app: App, limits: BodyLimits = bodyLimits): void {
  const used = new Map<string, number>();
  const add = (key: string, bytes: number): void => {
    const sum = (used.get(key) ?? 0) + bytes;
    if (sum === 0) used.delete(key);
    else used.set(key, sum);
  };
  // In the outermost scope: paths without a route read bodies, too. Who calls is known when this runs.
  app.addHook("preParsing", (request, reply, _payload, done) => {
    const bytes = bytesOf(request);
    if (bytes === 0) {
      done();
      return;
    }
    const scopes = scopesOf(request);
    for (const [scope, key] of scopes) {
      if ((used.get(`${scope} ${key}`) ?? 0) + bytes <= limits[scope]) continue;
      done(new WrennError("bodies_full", { limit: limits[scope], scope }));
      return;
    }
    const keys = scopes.map(([scope, key]) => `${scope} ${key}`);
    for (const key of keys) add(key, bytes);
    atClose(reply, () => {
      for (const key of keys) add(key, -bytes);
    });
    done();
  });
}

function atClose({ raw }: FastifyReply, free: () => void): void {
  if (raw.destroyed) free();
  else raw.once("close", free);
}

/** What a body may take in memory; 0 for one that is not held, or that is refused for its length. */
function bytesOf({ headers, raw, routeOptions }: FastifyRequest): number {
  if (raw.method === "GET" || raw.method === "HEAD" || routeOptions.config.streamsBody === true) return 0;
  const { bodyLimit } = routeOptions;
  const { "content-length": length } = headers;
  if (length !== undefined && LENGTH.test(length)) return Number(length) > bodyLimit ? 0 : Number(length);
  return headers["transfer-encoding"] !== undefined || hasMore(raw) ? bodyLimit : 0;
}

/** Whether an HTTP/2 request has content; it need not say so in its headers. */
function hasMore(raw: IncomingMessage | Http2ServerRequest): boolean {
  return raw instanceof Http2ServerRequest && !raw.stream.endAfterHeaders;
}

function scopesOf({ identity, ip, params, routeOptions }: FastifyRequest): readonly Scope[] {
  if (!identity) {
    const { narrow, wide } = clientNetworks(ip);
    return [["network", narrow], ...(wide === undefined ? [] : [["site", wide] as const]), ["anonymous", ""]];
  }
  const { teamId } = identity;
  const isOfCapsule = CAPSULE_ROUTE.test(routeOptions.url ?? "");
  const { id = "" } = params as { readonly id?: string };
  return [
    ...(isOfCapsule ? [["capsule", `${teamId} ${id}`] as const] : []),
    ["team", teamId],
    ["server", ""],
  ];
}
