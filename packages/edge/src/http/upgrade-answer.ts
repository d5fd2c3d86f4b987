import type { ClientRequest, IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { asError, WrennError } from "@wrenn/core";
import { sendAnswer } from "./answer.ts";
import type { Exchange } from "./exchange.ts";
import { passInformation } from "./information.ts";
import { abortResponse } from "./messages.ts";
import type { EdgeRequest, EdgeResponse } from "./messages.ts";

/** What a service answered to a request to change the protocol. */
export interface UpgradeAnswer {
  readonly incoming: IncomingMessage;
  /** The service's connection; undefined when it declined. */
  readonly socket: Duplex | undefined;
  readonly head: Buffer;
}

/**
 * Waits for the service's answer while the client's connection lives.
 *
 * @throws WrennError `port_timeout`; the reason of the exchange's signal; the connection's error.
 */
export async function upgradeAnswer(
  upstream: ClientRequest,
  client: Duplex,
  { request, response }: { readonly request: EdgeRequest; readonly response: EdgeResponse },
  exchange: Exchange,
): Promise<UpgradeAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<UpgradeAnswer>();
  const { signal, limits, port } = exchange;
  const onAbort = (): void => reject(signal.reason);
  const onClose = (): void => reject(new Error("the client went away"));
  const timer = setTimeout(() => {
    reject(new WrennError("port_timeout", { port, action: "answer", ms: limits.responseMs }));
  }, limits.responseMs);
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  client.once("close", onClose);
  passInformation(upstream, { request, response, exchange, onPassed: () => timer.refresh() });
  upstream.on("error", reject);
  upstream.on("response", (incoming) => resolve({ incoming, socket: undefined, head: Buffer.alloc(0) }));
  upstream.on("upgrade", (incoming, socket, head) => resolve({ incoming, socket, head }));
  upstream.end();
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    client.removeListener("close", onClose);
  }
}

/**
 * Sends the answer of a service that does not change the protocol; an answer that breaks off never looks complete.
 *
 * @throws Error when nothing of it could be sent.
 */
export async function decline(
  request: EdgeRequest,
  response: EdgeResponse,
  incoming: IncomingMessage,
  exchange: Exchange,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  response.once("close", () => reject(new Error("the client went away")));
  const over = (error?: unknown): void => (error === undefined ? resolve() : reject(asError(error)));
  const onAbort = (): void => reject(asError(exchange.signal.reason));
  exchange.signal.addEventListener("abort", onAbort, { once: true });
  if (exchange.signal.aborted) onAbort();
  try {
    sendAnswer({ request, response, incoming, exchange, onBytes: exchange.onBytes, over });
    await promise;
  } catch (error) {
    incoming.destroy();
    if (!response.headersSent) throw error;
    abortResponse(response);
  } finally {
    exchange.signal.removeEventListener("abort", onAbort);
  }
}
