import { bodyOf } from "./messages.ts";
import type { EdgeRequest } from "./messages.ts";

/** The protocol that the connection, not only the message, is meant to change to; undefined for ordinary requests. */
export function askedProtocol(request: EdgeRequest): string | undefined {
  if ("stream" in request) return connectProtocol(request);
  const asks =
    bodyOf(request) === "none" && /(?:^|,)\s*upgrade\s*(?:,|$)/i.test(request.headers.connection ?? "");
  return asks ? request.headers.upgrade : undefined;
}

/** The protocol that an extended CONNECT of HTTP/2 names (RFC 8441 §4). */
function connectProtocol(request: EdgeRequest): string | undefined {
  const protocol = request.headers[":protocol"];
  return request.method === "CONNECT" && typeof protocol === "string" ? protocol : undefined;
}
