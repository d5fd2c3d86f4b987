import { once } from "node:events";
import { createServer } from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { problemOf, WrennError } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import type { HostAgent } from "@wrenn/protocol";
import { joinPieces } from "@wrenn/system";
import { CONTROL_PLANE } from "../host-authority.ts";
import type { LinkCredentials } from "../host-authority.ts";
import { errorToWire } from "../wire/link-error.ts";
import { encodeValue } from "../wire/values.ts";
import { answerCall } from "./answer-call.ts";
import { answerDial } from "./answer-dial.ts";
import { answerInput } from "./answer-input.ts";
import { answerStream } from "./answer-stream.ts";
import { answerAppend, answerImage, answerPart, answerUpload } from "./answer-upload.ts";
import { HoldLeases } from "./hold-leases.ts";
import { defaultStrangers, Strangers } from "./strangers.ts";
import type { StrangerLimits } from "./strangers.ts";
import type { LinkRequest } from "./link-request.ts";

/** Longer than clients keep idle connections. */
const KEEP_ALIVE_MS = 60_000;
const HANDSHAKE_MS = 10_000;
const HEADERS_MS = 10_000;
const PROBE_MS = 10_000;

export interface HostLinkServerOptions {
  readonly agent: HostAgent;
  readonly host: string;
  readonly port: number;
  readonly credentials: LinkCredentials;
  readonly logger: Logger;
  /** Test seam: connections that have not shown a certificate yet. */
  readonly strangers?: StrangerLimits;
}

export interface HostLinkServer {
  readonly port: number;
  /** From the next handshake on the new credentials are shown; connections stay. */
  renew(credentials: LinkCredentials): void;
  close(): Promise<void>;
}

/**
 * Serves a host agent to control planes: HTTP over TLS 1.3, where both sides show a certificate of the same authority and the
 * client's is one of a control plane. Everybody else is refused before a byte of a request is read.
 *
 * @throws the operating system's error when the address cannot be used.
 */
export async function serveHostAgent(options: HostLinkServerOptions): Promise<HostLinkServer> {
  const { agent, logger } = options;
  const leases = new HoldLeases(agent);
  const server = createServer({
    ...options.credentials,
    minVersion: "TLSv1.3",
    requestCert: true,
    rejectUnauthorized: true,
    handshakeTimeout: HANDSHAKE_MS,
    headersTimeout: HEADERS_MS,
    // Uploads of files take as long as they take.
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: HEADERS_MS,
    noDelay: true,
    // Connections to ports of capsules end one direction at a time.
    allowHalfOpen: true,
    keepAlive: true,
    keepAliveInitialDelay: PROBE_MS,
  });
  const strangers = new Strangers(options.strangers ?? defaultStrangers);
  server.on("connection", (socket) => strangers.admit(socket));
  server.on("secureConnection", (socket) => {
    strangers.known(socket);
    if (socket.getPeerCertificate().subject?.CN !== CONTROL_PLANE) {
      logger.warn("link.refused", { peer: socket.remoteAddress ?? "" });
      socket.destroy();
    }
  });
  server.on("tlsClientError", (error, socket) => {
    logger.info("link.handshake_failed", { peer: socket.remoteAddress ?? "", problem: problemOf(error) });
  });
  server.on("request", (request, response) => {
    joinPieces(request);
    const gone = new AbortController();
    response.once("close", () => gone.abort(new Error("the control plane is gone")));
    const path = (request.url ?? "").slice(1).split("/");
    answer({ agent, leases, request, response, path, signal: gone.signal }).catch((error: unknown) =>
      refuse(response, error),
    );
  });
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    void answerDial(agent, request, socket, head);
  });
  server.listen(options.port, options.host);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    renew: (credentials) => server.setSecureContext({ ...credentials, minVersion: "TLSv1.3" }),
    close: async () => {
      leases.close();
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      strangers.close();
      await closed;
    },
  };
}

async function answer(work: LinkRequest): Promise<void> {
  const [kind] = work.path;
  if (!(work.request.socket instanceof TLSSocket) || !work.request.socket.authorized)
    throw new Error("a request came past the handshake");
  if (kind === "call") return await answerCall(work);
  if (kind === "stream") return await answerStream(work);
  if (kind === "input") return await answerInput(work);
  if (kind === "upload") return await answerUpload(work);
  if (kind === "append") return await answerAppend(work);
  if (kind === "image") return await answerImage(work);
  if (kind === "template-part") return await answerPart(work);
  throw new WrennError("route_not_found", { method: work.request.method ?? "", path: kind ?? "" });
}

/** Tells the client what went wrong, or breaks the answer that has begun: it must not look complete. */
function refuse(response: ServerResponse, error: unknown): void {
  if (response.headersSent) response.destroy();
  else {
    response.writeHead(500, { "content-type": "application/json" });
    response.end(encodeValue({ error: errorToWire(error) }));
  }
}
