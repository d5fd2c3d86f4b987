import { request as httpsRequest, Agent } from "node:https";
import type { ClientRequest, IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { connect } from "node:tls";
import type { ConnectionOptions, PeerCertificate, TLSSocket } from "node:tls";
import { asError, WrennError } from "@wrenn/core";
import type { LinkCredentials } from "../host-authority.ts";

const CONNECT_MS = 5000;
const PROBE_MS = 10_000;
const IDLE_MS = 30_000;

export interface LinkTarget {
  /** Public id of the host, which its certificate must name. */
  readonly hostId: string;
  /** HOST:PORT. */
  readonly address: string;
  /** Asked for each new connection, so that renewed ones are used from then on. */
  readonly credentials: () => LinkCredentials;
}

/** What a request is for; each kind has connections of its own, so that none waits for another. */
export type TrafficClass = "call" | "stream" | "bulk" | "dial";

/** Connections to one host: TLS 1.3, both sides known by certificates of one authority. */
export class Transport {
  readonly #target: LinkTarget;
  readonly #agents: Readonly<Record<TrafficClass, Agent>>;
  /** Connections to ports of capsules: what was upgraded is no longer its agent's. */
  readonly #upgraded = new Set<Duplex>();

  constructor(target: LinkTarget) {
    this.#target = target;
    const agent = (maxFreeSockets: number): Agent => new LinkAgent(target, maxFreeSockets);
    this.#agents = { call: agent(16), stream: agent(16), bulk: agent(4), dial: agent(0) };
  }

  /**
   * Sends a request's head; its body is the caller's to write.
   *
   * @throws WrennError `host_unavailable` when the host cannot be reached; the signal's reason.
   */
  open(
    traffic: TrafficClass,
    path: string,
    signal: AbortSignal,
    headers: Readonly<Record<string, string>> = {},
  ): Opened {
    signal.throwIfAborted();
    const { host, port } = split(this.#target.address);
    const request = httpsRequest({
      agent: this.#agents[traffic],
      host,
      port,
      path: `/${path}`,
      method: headers["upgrade"] === undefined ? "POST" : "GET",
      headers,
      signal,
    });
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    request.once("response", resolve);
    request.on("error", (error) => reject(signal.aborted ? asError(signal.reason) : unavailable(error)));
    // Who gave the request up does not wait for its answer.
    promise.catch(() => undefined);
    return { request, response: promise };
  }

  /** A connection that is no longer one of requests; it ends with the link. */
  keep(socket: Duplex): void {
    this.#upgraded.add(socket);
    socket.once("close", () => this.#upgraded.delete(socket));
  }

  /** Ends every connection, those to ports of capsules included. */
  close(): void {
    for (const agent of Object.values(this.#agents)) agent.destroy();
    for (const socket of this.#upgraded) socket.destroy();
  }
}

export interface Opened {
  readonly request: ClientRequest;
  readonly response: Promise<IncomingMessage>;
}

/** An error of the connection: the host cannot be reached, or went away in the middle. */
export function unavailable(cause: unknown): Error {
  return cause instanceof WrennError ? cause : new WrennError("host_unavailable", {}, { cause });
}

class LinkAgent extends Agent {
  readonly #target: LinkTarget;

  constructor(target: LinkTarget, maxFreeSockets: number) {
    super({ keepAlive: true, maxFreeSockets, timeout: IDLE_MS, scheduling: "lifo" });
    this.#target = target;
  }

  override createConnection(): TLSSocket {
    const { address, credentials, hostId } = this.#target;
    const { host, port } = split(address);
    const options: ConnectionOptions = {
      ...credentials(),
      host,
      port,
      minVersion: "TLSv1.3",
      // The host's id is what is certified; its address may change.
      checkServerIdentity: (_name: string, certificate: PeerCertificate) =>
        certificate.subject.CN === hostId ? undefined : new Error(`the certificate is not of ${hostId}`),
    };
    // Node takes it as net.connect does; its type does not say so.
    const socket = connect({ ...options, allowHalfOpen: true } as ConnectionOptions);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, PROBE_MS);
    const timer = setTimeout(
      () => socket.destroy(new Error(`no connection within ${CONNECT_MS} ms`)),
      CONNECT_MS,
    );
    socket.once("secureConnect", () => clearTimeout(timer));
    socket.once("close", () => clearTimeout(timer));
    return socket;
  }
}

function split(address: string): { readonly host: string; readonly port: number } {
  const at = address.lastIndexOf(":");
  return { host: address.slice(0, at).replace(/^\[|\]$/g, ""), port: Number(address.slice(at + 1)) };
}
