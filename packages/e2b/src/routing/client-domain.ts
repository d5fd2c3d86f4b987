const HTTPS_PORT = 443;

/** What the addresses of all ports of capsules have in common. */
export interface SandboxOrigin {
  readonly scheme: "http" | "https";
  readonly domain: string;
  readonly port: number;
}

/**
 * The domain below which clients find the API and sandboxes, with its port where that is not the one of HTTPS.
 *
 * @returns undefined without TLS, which clients always use with a domain; and for a domain of one label, such as `localhost`: TLS
 * libraries take no wildcard right below a top-level domain (RFC 6125 §7.2), so no certificate would be valid.
 */
export function clientDomainOf({ scheme, domain, port }: SandboxOrigin): string | undefined {
  if (scheme !== "https" || !domain.includes(".")) return undefined;
  return port === HTTPS_PORT ? domain : `${domain}:${port}`;
}
