import type { FastifyRequest } from "fastify";
import type { Scope } from "./identity.ts";

/** Reading routes that take their arguments in a body. */
const READING = /^\/v1\/capsules\/:id\/files\/(read|stream\/read|list|stat|exists)$/;
/** What outlives capsules, or is of the whole team. */
const MANAGING = /^\/v1\/(snapshots|teams|api-keys|channels|invitations)\b/;

/** Scope that a key needs for a request: reading needs the least, whatever lasts beyond a capsule the most. */
export function requestScope({ method, routeOptions }: FastifyRequest): Scope {
  const url = routeOptions.url ?? "";
  if (method === "GET" || method === "HEAD" || READING.test(url)) return "read";
  return MANAGING.test(url) ? "manage" : "run";
}
