import { askedProtocol } from "../http/asked-protocol.ts";
import { authorityOf } from "../http/messages.ts";
import type { EdgeRequest } from "../http/messages.ts";
import { isBrowser } from "../http/wants-page.ts";

/**
 * Whether a request with cookies comes from a page of the same capsule and port, from the address bar, or from a link that was
 * followed. Capsules are same-site to each other and to the dashboard, so SameSite alone does not tell. A page in a frame of
 * another one is not admitted: its visitor could be made to click in it.
 */
export function fromOwnPage(request: EdgeRequest): boolean {
  const { headers } = request;
  const own = (address: string): boolean =>
    URL.parse(address)?.host.toLowerCase() ===
    URL.parse(`http://${authorityOf(request)}`)?.host.toLowerCase();
  // Browsers send Origin with every WebSocket.
  if (headers.origin !== undefined || askedProtocol(request) !== undefined)
    return isWebOrigin(headers.origin) && own(headers.origin);
  const site = headers["sec-fetch-site"];
  if (site === "same-origin" || site === "none") return true;
  const reads = request.method === "GET" || request.method === "HEAD";
  if (site !== undefined)
    return reads && headers["sec-fetch-mode"] === "navigate" && headers["sec-fetch-dest"] === "document";
  // Over plain HTTP browsers send none of these fields, except to this machine.
  if (headers.referer !== undefined) return own(headers.referer);
  const navigates = (headers.accept ?? "").includes("text/html");
  return !isBrowser(headers) || (reads && navigates);
}

function isWebOrigin(origin: string | undefined): origin is string {
  return origin !== undefined && /^https?:\/\//i.test(origin);
}
