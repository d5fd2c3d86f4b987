import type { IncomingMessage, ServerResponse } from "node:http";

const NO_CONTENT = 204;
const DAY_SEC = 86_400;

/** Lets pages of every origin read the answer: what a request may do is decided by its token. */
export function allowOrigins(response: ServerResponse): void {
  response.setHeader("access-control-allow-origin", "*");
  response.setHeader("access-control-expose-headers", "*");
}

/** Answers a browser that asks before it sends a request. */
export function answerPreflight(request: IncomingMessage, response: ServerResponse): void {
  const headers = request.headers["access-control-request-headers"];
  response.writeHead(NO_CONTENT, {
    "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
    // A wildcard does not stand for Authorization.
    "access-control-allow-headers": headers === undefined ? "*, authorization" : headers,
    "access-control-max-age": String(DAY_SEC),
    vary: "Access-Control-Request-Headers",
  });
  response.end();
}
