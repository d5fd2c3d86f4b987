import { createHash } from "node:crypto";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { IncomingMessage } from "node:http";
import { WrennError } from "@wrenn/core";
import type { Random } from "@wrenn/core";
import type { Exchange, Rest } from "./exchange.ts";
import { fieldsOf } from "./messages.ts";
import { pairsOf } from "./raw-headers.ts";
import type { RawHeaders } from "./raw-headers.ts";
import { openRequest } from "./service-request.ts";
import { splicing } from "./splice.ts";
import { decline, upgradeAnswer } from "./upgrade-answer.ts";
import { upstreamError } from "./upstream-error.ts";

/** RFC 6455 §1.3. */
const ACCEPT_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const KEY_BYTES = 16;

/**
 * Relays a WebSocket of HTTP/2 (RFC 8441): an extended CONNECT becomes an upgrade of HTTP/1.1 to the service, and once
 * the service agrees, stream and connection are joined byte by byte.
 *
 * @returns the joined WebSocket; undefined when the service declined and its answer was sent.
 * @throws WrennError of the ports section when nothing was answered yet; the caller answers.
 */
export async function relayWebSocketStream(
  request: Http2ServerRequest,
  response: Http2ServerResponse,
  exchange: Exchange,
  random: Random,
): Promise<Rest | undefined> {
  const { stream } = request;
  const key = Buffer.from(random.bytes(KEY_BYTES)).toString("base64");
  const upstream = openRequest(exchange, exchange.pool.halfOpen, handshake(exchange.headers, key));
  try {
    const messages = { request, response };
    const { incoming, socket, head } = await upgradeAnswer(upstream, stream, messages, exchange);
    if (!socket) {
      // To the client any 2xx would mean that the WebSocket is open.
      if ((incoming.statusCode ?? 0) < 300) throw unwilling(exchange, incoming);
      await decline(request, response, incoming, exchange);
      return undefined;
    }
    if (!agrees(incoming, key)) {
      socket.destroy();
      throw unwilling(exchange, incoming);
    }
    const fields = withoutFields(exchange.rewriteResponse(incoming.rawHeaders), ACCEPT_FIELDS);
    stream.respond({ ":status": 200, ...fieldsOf(fields) });
    return splicing({ socket: stream, head: Buffer.alloc(0) }, { socket, head }, exchange);
  } catch (error) {
    upstream.destroy();
    throw upstreamError(error, exchange.port, exchange.limits);
  }
}

const KEY_FIELDS: ReadonlySet<string> = new Set(["sec-websocket-key"]);
const ACCEPT_FIELDS: ReadonlySet<string> = new Set(["sec-websocket-accept"]);

/** HTTP/2 has neither key nor accept (RFC 8441 §5), so they are between the edge and the service. */
function handshake(headers: RawHeaders, key: string): RawHeaders {
  return [...withoutFields(headers, KEY_FIELDS), "Sec-WebSocket-Key", key];
}

function withoutFields(headers: RawHeaders, names: ReadonlySet<string>): RawHeaders {
  return pairsOf(headers)
    .filter(([name]) => !names.has(name.toLowerCase()))
    .flat();
}

/** Whether the service speaks WebSocket, and to us (RFC 6455 §4.1). */
function agrees(incoming: IncomingMessage, key: string): boolean {
  const accept = createHash("sha1")
    .update(key + ACCEPT_SUFFIX)
    .digest("base64");
  return (
    incoming.headers.upgrade?.toLowerCase() === "websocket" &&
    incoming.headers["sec-websocket-accept"] === accept
  );
}

function unwilling({ port }: Exchange, incoming: IncomingMessage): WrennError {
  const status = incoming.statusCode ?? 0;
  const problem =
    status === 101
      ? "its Sec-WebSocket-Accept does not fit the key"
      : `it answered ${status} to a request for a WebSocket`;
  return new WrennError("port_hung_up", { port, problem });
}
