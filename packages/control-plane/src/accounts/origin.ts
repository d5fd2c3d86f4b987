import type { FastifyRequest } from "fastify";
import type { Origin } from "./accounts.ts";

/** Where a request came from, for the audit log. */
export function originOf(request: FastifyRequest): Origin {
  return { address: request.ip, userAgent: request.headers["user-agent"] ?? "" };
}
