import type { Duplex } from "node:stream";
import type { UpstreamPool } from "../upstream/upstream-pool.ts";
import type { RawHeaders } from "./raw-headers.ts";

/** One request on its way to a service: everything decided, nothing sent. */
export interface Exchange {
  readonly pool: Pick<UpstreamPool, "kept" | "single" | "halfOpen">;
  readonly port: number;
  readonly method: string;
  /** Raw request target. */
  readonly path: string;
  readonly headers: RawHeaders;
  readonly limits: ExchangeLimits;
  /** Aborts the exchange on both sides. */
  readonly signal: AbortSignal;
  readonly onBytes: (size: number) => void;
  readonly rewriteResponse: (headers: RawHeaders) => string[];
  /** The same for informational responses. */
  readonly rewriteInformation: (headers: RawHeaders) => string[];
}

export interface ExchangeLimits {
  /** Time for one attempt to connect, in ms. */
  readonly connectMs: number;
  /** Longest wait for the head of the response, counted from the last byte sent, in ms. */
  readonly responseMs: number;
  /** Longest time without a byte in either direction, in ms. */
  readonly idleMs: number;
  /** The same for upgraded connections, in ms. */
  readonly upgradedIdleMs: number;
  /** Longest head of a response, in bytes. */
  readonly headBytes: number;
}

/**
 * What is left of an exchange once its request and response are over. Connections may live for hours: it holds on to
 * nothing else, so that the messages are forgotten. Never rejects.
 */
export type Rest = () => Promise<void>;

/** A connection that changes its protocol: the client's socket, and what it sent after the request's head. */
export interface UpgradedClient {
  readonly socket: Duplex;
  readonly head: Buffer;
}
