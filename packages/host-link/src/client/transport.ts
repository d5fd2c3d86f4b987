import { request as httpsRequest, Agent } from "node:https";
import type { ClientRequest, IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { lookup } from "node:dns";
import type { LookupAddress } from "node:dns";
import { isIP, Socket } from "node:net";
import type { LookupFunction } from "node:net";
import { connect } from "node:tls";
import type { ConnectionOptions, PeerCertificate, TLSSocket } from "node:tls";
import { asError, WrennError } from "@wrenn/core";
import { joinPieces } from "@wrenn/system";
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
  readonly credentials: () => LinkCredentials | Promise<LinkCredentials>;
  /** Whether connections may be made to an IP address that the address is or stands for. Default: to every one. */
  readonly permits?: (address: string) => boolean;
  /** Whether the host may show the certificate with this SHA-256 fingerprint, hexadecimal. Default: every one of its name. */
  readonly accepts?: (fingerprint: string) => Promise<boolean>;
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
    request.once("response", (response) => {
      joinPieces(response);
      resolve(response);
    });
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
  readonly #connecting = new Set<TLSSocket>();
  /** How often it was destroyed; it connects again afterwards. */
  #ends = 0;

  constructor(target: LinkTarget, maxFreeSockets: number) {
    super({ keepAlive: true, maxFreeSockets, timeout: IDLE_MS, scheduling: "lifo" });
    this.#target = target;
  }

  /** Ends connections that are not made yet, too. */
  override destroy(): void {
    this.#ends++;
    for (const socket of this.#connecting) socket.destroy();
    super.destroy();
  }

  override createConnection(_options: unknown, callback?: ConnectionCallback): undefined {
    const done = callback ?? (() => undefined);
    const failed = (error: unknown): void => done(asError(error), new Socket());
    this.#connect(done).catch(failed);
  }

  async #connect(done: ConnectionCallback): Promise<void> {
    const { address, credentials, hostId, permits } = this.#target;
    const { host, port } = split(address);
    if (permits && isIP(host) !== 0 && !permits(host)) throw new Error(`${host} is not permitted`);
    const ends = this.#ends;
    const own = await credentials();
    if (this.#ends !== ends) throw new Error("the link is closed");
    const options: ConnectionOptions = {
      ...own,
      host,
      port,
      ...(permits ? { lookup: permittedLookup(permits) } : {}),
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
    this.#connecting.add(socket);
    let isSettled = false;
    const settle = (error?: Error): void => {
      if (isSettled) return;
      isSettled = true;
      clearTimeout(timer);
      this.#connecting.delete(socket);
      socket.removeListener("error", settle);
      socket.removeListener("close", onClose);
      if (error) {
        socket.on("error", () => undefined);
        socket.destroy();
        done(error, socket);
      } else done(null, socket);
    };
    const onClose = (): void => settle(new Error("the connection was closed"));
    socket.on("error", settle);
    socket.once("close", onClose);
    // No byte of a request is sent before the host is known.
    socket.once("secureConnect", () => {
      this.#requireAccepted(socket).then(() => settle(), settle);
    });
  }

  async #requireAccepted(socket: TLSSocket): Promise<void> {
    const { accepts, hostId } = this.#target;
    if (!accepts) return;
    const fingerprint = socket.getPeerCertificate().fingerprint256.replaceAll(":", "").toLowerCase();
    if (!(await accepts(fingerprint)))
      throw new Error(`the certificate of ${hostId} was replaced or revoked`);
  }
}

type ConnectionCallback = (error: Error | null, socket: Duplex) => void;

/** Looks a name up, and gives only addresses that are permitted: what is connected to is what was judged. */
function permittedLookup(permits: (address: string) => boolean): LookupFunction {
  return (name, options, callback) => {
    lookup(name, { ...options, all: true }, (error, found) => {
      const addresses: readonly LookupAddress[] = error
        ? []
        : found.filter(({ address }) => permits(address));
      const [first] = addresses;
      if (!first) callback(error ?? new Error(`no address of ${name} is permitted`), []);
      else if (options.all === true) callback(null, [...addresses]);
      else callback(null, first.address, first.family);
    });
  };
}

function split(address: string): { readonly host: string; readonly port: number } {
  const at = address.lastIndexOf(":");
  return { host: address.slice(0, at).replace(/^\[|\]$/g, ""), port: Number(address.slice(at + 1)) };
}
