import { createHash } from "node:crypto";
import type { WrennError } from "@wrenn/core";
import { endRequest } from "./answer.ts";
import { endWith, platformHeaders, writeHead } from "./messages.ts";
import type { EdgeRequest, EdgeResponse } from "./messages.ts";
import { wantsPage } from "./wants-page.ts";

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:15vh auto;padding:0 1.5rem;color:#222}
h1{font-size:1.25rem}small{color:#667}@media(prefers-color-scheme:dark){body{background:#181a1f;color:#dde}}`;
/** Not sandboxed: a page that tries again by itself needs its refresh. */
const PAGE_POLICY = `default-src 'none'; style-src 'sha256-${createHash("sha256").update(STYLE).digest("base64")}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

/**
 * Answers a request that did not reach a service: a page for browsers, JSON for programs.
 *
 * @param json - the body for programs; default: the error body of the platform's own API.
 */
export function answerError(
  request: EdgeRequest,
  response: EdgeResponse,
  error: WrennError,
  requestId: string,
  json: unknown = platformBody(error, requestId),
): void {
  const { status } = error.entry;
  const html = wantsPage(request.headers);
  const { retryAfter } = error;
  const body = Buffer.from(html ? page(error, requestId, retryAfter) : JSON.stringify(json));
  const headers = [
    ...Object.entries({
      ...platformHeaders(request),
      ...(html ? { "content-security-policy": PAGE_POLICY } : {}),
    }),
    ["Content-Type", html ? "text/html; charset=utf-8" : "application/json; charset=utf-8"],
    ["Content-Length", String(body.length)],
    ["X-Wrenn-Error", error.reason],
    ["X-Request-Id", requestId],
  ];
  // RFC 9110 §15.5.20: the request may be sent again on another connection.
  if (status === 421 && !("stream" in response)) response.shouldKeepAlive = false;
  if (status === 401) headers.push(["WWW-Authenticate", 'Bearer realm="wrenn"']);
  if (retryAfter !== undefined) headers.push(["Retry-After", String(retryAfter)]);
  writeHead(response, status, "", headers.flat());
  response.once("finish", () => endRequest(request));
  endWith(response, request.method === "HEAD" ? Buffer.alloc(0) : body);
}

function platformBody(error: WrennError, requestId: string): unknown {
  const { message, reason, remedy } = error;
  return { error: { code: error.entry.code, message, reason, remedy, request_id: requestId } };
}

function page(error: WrennError, requestId: string, retryAfter: number | undefined): string {
  const status = String(error.entry.status);
  const message = escape(error.message);
  const refresh = retryAfter === undefined ? "" : `<meta http-equiv="refresh" content="${retryAfter}">`;
  return `<!doctype html><html lang="en"><head><meta charset="utf-8">${refresh}
<meta name="viewport" content="width=device-width"><title>${status} · ${message}</title>
<style>${STYLE}</style></head>
<body><h1>${message}</h1><p>${escape(error.remedy)}</p><small>${status} ${escape(error.reason)} · ${escape(requestId)}</small></body></html>
`;
}

function escape(text: string): string {
  return text.replaceAll(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
