import type { FastifyRequest } from "fastify";

const MAX_USER_AGENT = 200;

/** The client of a request, for the audit log and the list of logins. */
export interface ClientDetails {
  readonly address: string;
  /** As the client names itself. */
  readonly userAgent: string;
}

/** What clients say of themselves is bounded. */
export function clientDetails({ ip, headers }: FastifyRequest): ClientDetails {
  return { address: ip, userAgent: (headers["user-agent"] ?? "").slice(0, MAX_USER_AGENT) };
}

/** The client as entries of the audit log have it. */
export function clientMetadata(
  { address, userAgent }: ClientDetails,
  provider?: string,
): Readonly<Record<string, string>> {
  const where = { address, user_agent: userAgent };
  return provider === undefined ? where : { ...where, provider };
}
