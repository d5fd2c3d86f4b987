import type { IncomingHttpHeaders } from "node:http";
import { LINK_PARAMETER } from "./signed-link.ts";
import { TICKET_PARAMETER } from "./port-session.ts";

/** Counts credentials that are tried at ports, by the network of the client. */
export interface CredentialAttempts {
  /** @throws WrennError `rate_limited` for a network with too many wrong credentials, unless these were good lately. */
  require(address: string, headers: IncomingHttpHeaders): Promise<void>;
  /** Counts wrong credentials. @throws WrennError `rate_limited`. */
  failed(address: string): void | Promise<void>;
}

/** Whether a request has a key, a token, a link, a ticket or a cookie of the platform. */
export function showsCredentials(headers: IncomingHttpHeaders, url: string): boolean {
  return (
    headers["x-api-key"] !== undefined ||
    headers.authorization !== undefined ||
    url.includes(`${LINK_PARAMETER}=`) ||
    url.includes(`${TICKET_PARAMETER}=`) ||
    /(?:^|[;\s])(?:__Host-)?wrenn_/i.test(headers.cookie ?? "")
  );
}
