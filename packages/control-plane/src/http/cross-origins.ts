import type { IncomingMessage, ServerResponse } from "node:http";

/** How long a browser keeps the answer to a preflight; changes of the list take this long to be noticed. */
const PREFLIGHT_SEC = 600;
const METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE";
/** Request fields that some route reads. */
const REQUEST_FIELDS = [
  "authorization",
  "x-api-key",
  "content-type",
  "content-digest",
  "idempotency-key",
  "if-match",
  "if-none-match",
  "if-modified-since",
  "if-unmodified-since",
  "if-range",
  "range",
  "last-event-id",
  "prefer",
  "upload-offset",
  "tus-resumable",
  "x-request-id",
].join(", ");
/** Response fields that pages may read besides those that every page may. */
const RESPONSE_FIELDS = [
  "accept-ranges",
  "allow",
  "content-disposition",
  "content-range",
  "etag",
  "input-offset",
  "link",
  "location",
  "preference-applied",
  "retry-after",
  "server-timing",
  "tus-resumable",
  "upload-expires",
  "upload-length",
  "upload-offset",
  "x-next-cursor",
  "x-request-id",
].join(", ");

export interface CrossOriginsOptions {
  /** Exact origins, `https://app.example.org`, whose pages may use the API. */
  readonly allowed: readonly string[];
  /** Where people reach the platform. */
  readonly publicUrl: string;
}

/**
 * Which pages of other origins may use the API (docs/reference/rest-api.md#pages-of-other-origins). Credentials are headers that a page sets;
 * browsers are never allowed to add cookies.
 */
export class CrossOrigins {
  readonly #allowed: ReadonlySet<string>;
  readonly #publicOrigin: string | undefined;

  constructor({ allowed, publicUrl }: CrossOriginsOptions) {
    this.#allowed = new Set(allowed);
    this.#publicOrigin = URL.parse(publicUrl)?.origin;
  }

  /** Whether the operator allows pages of this origin. */
  allows(origin: string | undefined): boolean {
    return origin !== undefined && this.#allowed.has(origin);
  }

  /** Whether a page of this origin is one of the platform as this request reached it. */
  isOwn(origin: string, host: string | undefined): boolean {
    const page = URL.parse(origin);
    return page !== null && (page.origin === this.#publicOrigin || page.host === host?.toLowerCase());
  }

  /** Whether a WebSocket may be opened: by a program, which names no origin, and by pages that may use the API. */
  admitsSocket(request: IncomingMessage): boolean {
    const { origin, host, ":authority": authority } = request.headers;
    const own = typeof authority === "string" ? authority : host;
    return origin === undefined || this.allows(origin) || this.isOwn(origin, own);
  }

  /** Adds to a response what its page needs to read it. @returns true when the request was a preflight, which is answered. */
  answer(request: IncomingMessage, response: ServerResponse): boolean {
    if (this.#allowed.size === 0) return false;
    // Also where nothing is allowed: a cache must not give this response to another page.
    response.setHeader("vary", "origin");
    const { origin } = request.headers;
    if (origin === undefined || !this.allows(origin)) return false;
    response.setHeader("access-control-allow-origin", origin);
    response.setHeader("access-control-expose-headers", RESPONSE_FIELDS);
    response.setHeader("timing-allow-origin", origin);
    if (request.method !== "OPTIONS" || request.headers["access-control-request-method"] === undefined)
      return false;
    response.setHeader("access-control-allow-methods", METHODS);
    response.setHeader("access-control-allow-headers", REQUEST_FIELDS);
    response.setHeader("access-control-max-age", String(PREFLIGHT_SEC));
    response.statusCode = 204;
    response.end();
    return true;
  }
}
