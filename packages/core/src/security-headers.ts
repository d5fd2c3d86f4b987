/** How a client reached the platform. */
export interface ReachedBy {
  readonly isSecure: boolean;
  /** The Host header or `:authority`. */
  readonly host: string;
}

/** Policy of an answer that is not a page: nothing in it runs, loads, or is framed. */
const NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox";
const FEATURES = [
  "camera",
  "display-capture",
  "geolocation",
  "hid",
  "microphone",
  "midi",
  "payment",
  "publickey-credentials-get",
  "serial",
  "usb",
];
const YEAR_SEC = 365 * 24 * 3600;
/** Names that every developer's other servers have too. */
const LOOPBACK_NAME = /^(?:[^:]+\.)?localhost\.?(?::\d*)?$/i;

const always: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "content-security-policy": NOTHING,
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": FEATURES.map((feature) => `${feature}=()`).join(", "),
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};

/**
 * Header fields of every answer that the platform itself gives; an answer with its own policy or caching replaces those. A
 * browser that was served over TLS comes back over TLS only, except on names below `localhost`.
 */
export function securityHeaders({ isSecure, host }: ReachedBy): Readonly<Record<string, string>> {
  return isSecure && !LOOPBACK_NAME.test(host)
    ? { ...always, "strict-transport-security": `max-age=${YEAR_SEC}` }
    : always;
}
