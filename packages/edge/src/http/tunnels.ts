import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { WrennError } from "@wrenn/core";
import type { Random } from "@wrenn/core";
import { askedProtocol } from "./asked-protocol.ts";
import { answerError } from "./error-answer.ts";
import type { EdgeRequest } from "./messages.ts";

/** The longest protocol name that an error repeats. */
const NAME_LENGTH = 40;

/** What takes WebSockets of HTTP/2; false leaves one to the next. */
export type TakeStream = (request: Http2ServerRequest, response: Http2ServerResponse) => boolean;

/** Serves CONNECT of HTTP/2: WebSockets (RFC 8441) go to the first that takes them, all else is refused. */
export function serveTunnel(
  request: Http2ServerRequest,
  response: Http2ServerResponse,
  takers: readonly TakeStream[],
  random: Random,
): void {
  const refusal = refusalOf(request);
  if (!refusal && takers.some((take) => take(request, response))) return;
  request.on("error", () => {});
  response.on("error", () => {});
  const error = refusal ?? new WrennError("route_not_found", { method: "WebSocket", path: request.url });
  answerError(request, response, error, random.uuid());
}

function refusalOf(request: EdgeRequest): WrennError | undefined {
  const protocol = askedProtocol(request);
  if (protocol === undefined) return new WrennError("tunnel_refused", { protocol: "another server" });
  if (protocol !== "websocket")
    return new WrennError("tunnel_refused", { protocol: protocol.slice(0, NAME_LENGTH) });
  // A service would take it for the length of a body, which a tunnel has not.
  if (request.headers["content-length"] !== undefined)
    return new WrennError("invalid_field", { field: "Content-Length", problem: "belongs to no CONNECT" });
  return undefined;
}
