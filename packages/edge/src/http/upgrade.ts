import { request as httpRequest, ServerResponse } from "node:http";
import type { ClientRequest, IncomingMessage } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { WrennError } from "@wrenn/core";
import { sendAnswer } from "./answer.ts";
import type { Exchange, UpgradedClient } from "./exchange.ts";
import { splice } from "./splice.ts";
import { upstreamError } from "./upstream-error.ts";

/**
 * Relays a request to change the protocol. When the service agrees, both connections are joined byte by byte; when
 * it answers otherwise, the answer goes to the client as to any request.
 *
 * @returns when the connection is over.
 * @throws WrennError of the ports section when nothing was answered yet; the caller answers.
 */
export async function relayUpgrade(
  request: IncomingMessage,
  response: ServerResponse,
  client: UpgradedClient,
  exchange: Exchange,
): Promise<void> {
  const upstream = httpRequest({
    agent: exchange.pool.halfOpen,
    method: exchange.method,
    path: exchange.path,
    headers: [...exchange.headers],
    insecureHTTPParser: false,
  });
  try {
    const answer = await answerOf(upstream, client.socket, exchange);
    if (answer.socket) {
      if (client.socket instanceof Socket) response.detachSocket(client.socket);
      client.socket.write(responseHead(answer.incoming, exchange));
      await splice(client, { socket: answer.socket, head: answer.head }, exchange);
    } else await decline(request, response, answer.incoming, exchange);
  } catch (error) {
    upstream.destroy();
    throw upstreamError(error, exchange.port, exchange.limits.connectMs);
  }
}

interface UpgradeAnswer {
  readonly incoming: IncomingMessage;
  /** The service's connection; undefined when it declined. */
  readonly socket: Duplex | undefined;
  readonly head: Buffer;
}

async function answerOf(upstream: ClientRequest, socket: Duplex, exchange: Exchange): Promise<UpgradeAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<UpgradeAnswer>();
  const { signal, limits, port } = exchange;
  const onAbort = (): void => reject(signal.reason);
  const onClose = (): void => reject(new Error("the client went away"));
  const timer = setTimeout(() => {
    reject(new WrennError("port_timeout", { port, action: "answer", ms: limits.responseMs }));
  }, limits.responseMs);
  signal.addEventListener("abort", onAbort, { once: true });
  socket.once("close", onClose);
  upstream.on("error", reject);
  upstream.on("response", (incoming) => resolve({ incoming, socket: undefined, head: Buffer.alloc(0) }));
  upstream.on("upgrade", (incoming, socket, head) => resolve({ incoming, socket, head }));
  upstream.end();
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    socket.removeListener("close", onClose);
  }
}

/** Status line and fields of the service's 101, with the fields that make it one. */
function responseHead(incoming: IncomingMessage, exchange: Exchange): string {
  const headers = exchange.rewriteResponse(incoming.rawHeaders);
  headers.push("Connection", "Upgrade", "Upgrade", incoming.headers.upgrade ?? "");
  let head = `HTTP/1.1 101 ${incoming.statusMessage ?? "Switching Protocols"}\r\n`;
  for (let at = 0; at + 1 < headers.length; at += 2)
    head += `${headers[at] ?? ""}: ${headers[at + 1] ?? ""}\r\n`;
  return `${head}\r\n`;
}

async function decline(
  request: IncomingMessage,
  response: ServerResponse,
  incoming: IncomingMessage,
  exchange: Exchange,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  response.once("close", () => reject(new Error("the client went away")));
  const over = (error?: unknown): void => (error === undefined ? resolve() : reject(asError(error)));
  const onAbort = (): void => reject(asError(exchange.signal.reason));
  exchange.signal.addEventListener("abort", onAbort, { once: true });
  try {
    sendAnswer({ request, response, incoming, exchange, onBytes: exchange.onBytes, over });
    await promise;
  } catch {
    // The head was sent: the client sees a broken answer, not a clean end.
    incoming.destroy();
    response.socket?.destroy();
  } finally {
    exchange.signal.removeEventListener("abort", onAbort);
  }
}

/** An HTTP response on a connection that asked for another protocol; the connection ends with it. */
export function responseOn(request: IncomingMessage, socket: Duplex): ServerResponse {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  if (socket instanceof Socket) response.assignSocket(socket);
  response.once("finish", () => socket.end());
  return response;
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
