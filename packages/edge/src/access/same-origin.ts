import type { EdgeRequest } from "../http/messages.ts";

/**
 * Whether a request with cookies comes from a page of the same capsule and port, from the address bar, or from
 * following a link. Capsules are same-site to each other and to the dashboard, so SameSite alone does not tell.
 */
export function fromOwnPage(request: EdgeRequest, host: string): boolean {
  const { origin } = request.headers;
  if (origin !== undefined && origin.replace(/^https?:\/\//, "").toLowerCase() !== host.toLowerCase())
    return false;
  const site = request.headers["sec-fetch-site"];
  if (site === undefined || site === "same-origin" || site === "none") return true;
  const navigates = request.headers["sec-fetch-mode"] === "navigate";
  return navigates && (request.method === "GET" || request.method === "HEAD");
}
