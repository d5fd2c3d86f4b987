import { Agent, createServer } from "node:http";
import type { IncomingMessage, Server, ServerOptions } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Socket } from "node:net";
import { duplexPair } from "node:stream";
import type { Duplex } from "node:stream";
import { WrennError } from "@wrenn/core";
import type { Random } from "@wrenn/core";
import { defaultLimits } from "../edge-options.ts";
import { answerError } from "./error-answer.ts";
import type { Exchange } from "./exchange.ts";
import { abortResponse, authorityOf } from "./messages.ts";
import { forEndToEnd } from "./raw-headers.ts";
import type { RawHeaders } from "./raw-headers.ts";
import { relayWebSocketStream } from "./websocket-stream.ts";

/** The longest time that a timer takes: the platform itself says when its WebSockets end. */
const NEVER_MS = 2 ** 31 - 1;

interface UpgradeTaker {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

/**
 * Gives WebSockets of HTTP/2 to something that knows upgrades of HTTP/1.1 only, through a server of HTTP/1.1 that
 * listens nowhere: a client that sees the setting of RFC 8441 opens all its WebSockets this way.
 */
export class PlatformWebSockets {
  readonly #server: Server;
  readonly #random: Random;

  constructor(taker: UpgradeTaker, options: ServerOptions, random: Random) {
    this.#server = createServer(options);
    this.#server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      taker.upgrade(request, socket, head),
    );
    this.#random = random;
  }

  relay(request: Http2ServerRequest, response: Http2ServerResponse): void {
    request.on("error", () => {});
    response.on("error", () => {});
    void this.#relay(request, response);
  }

  close(): void {
    this.#server.close();
  }

  async #relay(request: Http2ServerRequest, response: Http2ServerResponse): Promise<void> {
    const gone = new AbortController();
    try {
      const exchange = this.#exchange(request, gone.signal);
      const joined = await relayWebSocketStream(request, response, exchange, this.#random);
      await joined?.();
    } catch (error) {
      if (response.headersSent || response.destroyed) abortResponse(response);
      else {
        const refusal = new WrennError("internal", {}, { cause: error });
        answerError(request, response, refusal, this.#random.uuid());
      }
    } finally {
      gone.abort();
    }
  }

  #exchange(request: Http2ServerRequest, signal: AbortSignal): Exchange {
    const agent = new InnerAgent(this.#server, request.socket);
    return {
      pool: { kept: agent, single: agent, halfOpen: agent },
      port: 0,
      method: "GET",
      path: request.url,
      headers: [
        "Host",
        authorityOf(request),
        "Connection",
        "Upgrade",
        "Upgrade",
        "websocket",
        ...endToEnd(request.rawHeaders),
      ],
      limits: { ...defaultLimits, upgradedIdleMs: NEVER_MS },
      signal,
      onBytes: () => {},
      rewriteResponse: endToEnd,
      rewriteInformation: endToEnd,
    };
  }
}

/** Connections of this agent lead to a server in this process, which sees them as the client's. */
class InnerAgent extends Agent {
  readonly #server: Server;
  readonly #client: Socket;

  constructor(server: Server, client: Socket) {
    super();
    this.#server = server;
    this.#client = client;
  }

  override createConnection(): Duplex {
    const [near, far] = duplexPair();
    const { remoteAddress, remotePort, localAddress, localPort } = this.#client;
    this.#server.emit(
      "connection",
      Object.assign(far, { remoteAddress, remotePort, localAddress, localPort, encrypted: true }),
    );
    return near;
  }
}

function endToEnd(raw: RawHeaders): string[] {
  const headers: string[] = [];
  forEndToEnd(raw, (name, value, lowerCase) => {
    if (lowerCase !== "host") headers.push(name, value);
  });
  return headers;
}
