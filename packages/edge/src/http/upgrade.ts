import { ServerResponse } from "node:http";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Exchange, Rest, UpgradedClient } from "./exchange.ts";
import { openRequest } from "./service-request.ts";
import { splicing } from "./splice.ts";
import { decline, upgradeAnswer } from "./upgrade-answer.ts";
import { upstreamError } from "./upstream-error.ts";

/**
 * Relays a request to change the protocol. When the service agrees, both connections are joined byte by byte; when
 * it answers otherwise, the answer goes to the client as to any request.
 *
 * @returns the joined connection; undefined when the service declined and its answer was sent.
 * @throws WrennError of the ports section when nothing was answered yet; the caller answers.
 */
export async function relayUpgrade(
  request: IncomingMessage,
  response: ServerResponse,
  client: UpgradedClient,
  exchange: Exchange,
): Promise<Rest | undefined> {
  const upstream = openRequest(exchange, exchange.pool.halfOpen, exchange.headers);
  try {
    const answer = await upgradeAnswer(upstream, client.socket, { request, response }, exchange);
    if (answer.socket) {
      response.detachSocket(client.socket as Socket);
      client.socket.write(responseHead(answer.incoming, exchange), "latin1");
      return splicing(client, { socket: answer.socket, head: answer.head }, exchange);
    }
    await decline(request, response, answer.incoming, exchange);
    return undefined;
  } catch (error) {
    upstream.destroy();
    throw upstreamError(error, exchange.port, exchange.limits);
  }
}

/** Status line and fields of the service's 101, with the fields that make it one; a character is a byte, as Node reads fields. */
function responseHead(incoming: IncomingMessage, exchange: Exchange): string {
  const headers = exchange.rewriteResponse(incoming.rawHeaders);
  headers.push("Connection", "Upgrade", "Upgrade", incoming.headers.upgrade ?? "");
  let head = `HTTP/1.1 101 ${incoming.statusMessage ?? "Switching Protocols"}\r\n`;
  for (let at = 0; at + 1 < headers.length; at += 2)
    head += `${headers[at] ?? ""}: ${headers[at + 1] ?? ""}\r\n`;
  return `${head}\r\n`;
}

/** An HTTP response on a connection that asked for another protocol; the connection ends with it. */
export function responseOn(request: IncomingMessage, socket: Duplex): ServerResponse {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  // WebSockets of HTTP/2 have a stream here; the response needs no more of it.
  response.assignSocket(socket as Socket);
  response.once("finish", () => socket.end());
  return response;
}
