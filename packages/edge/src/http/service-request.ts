import { request } from "node:http";
import type { Agent, ClientRequest } from "node:http";
import type { Exchange } from "./exchange.ts";
import type { RawHeaders } from "./raw-headers.ts";

/** Begins the request of an exchange to its service. */
export function openRequest(exchange: Exchange, agent: Agent, headers: RawHeaders): ClientRequest {
  const upstream = request({
    agent,
    method: exchange.method,
    path: exchange.path,
    headers: [...headers],
    insecureHTTPParser: false,
    maxHeaderSize: exchange.limits.headBytes,
  });
  // Their size is limited; by default Node.js drops all fields after the first thousand.
  upstream.maxHeadersCount = 0;
  return upstream;
}
