import type { FastifyRequest } from "fastify";
import type { ClientDetails } from "./accounts.ts";

/** Where a request came from, for the audit log. */
export function clientDetails(request: FastifyRequest): ClientDetails {
  return { address: request.ip, userAgent: request.headers["user-agent"] ?? "" };
}
