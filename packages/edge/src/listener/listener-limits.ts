/** What clients may take of a listener (docs/operations/limits.md#connections). */
export interface ListenerLimits {
  /** Connections at once, of all clients and listeners together. */
  readonly connections: number;
  /** Of them without credentials, from one IPv4 address or one IPv6 network of 64 bits. */
  readonly perNetwork: number;
  /** The same from one IPv6 network of 48 bits. */
  readonly perSite: number;
  /** With credentials of one team: of its keys and members, at the API and at ports. */
  readonly perOwner: number;
  /** For how long a connection beyond `perNetwork` or `perSite` may stay to show credentials, with its TLS handshake, in ms. */
  readonly graceMs: number;
  /** Longest time for the head of a request, and for a TLS handshake, in ms. */
  readonly headersMs: number;
  /** Longest time between requests of a client that showed credentials on the connection, in ms. */
  readonly keepAliveMs: number;
  /** The same before credentials were shown. */
  readonly anonymousKeepAliveMs: number;
  /** A request's body to the platform has to make progress within this time, in ms. */
  readonly bodyStallMs: number;
  /** Bytes of a body within `bodyStallMs` that count as progress. */
  readonly bodyBytes: number;
  /** The same before credentials were shown, and of a body that began longer than `slowBodyMs` ago. */
  readonly anonymousBodyBytes: number;
  readonly slowBodyMs: number;
  /** For how long a client may leave an answer of the platform unread, in ms. */
  readonly answerStallMs: number;
  /** The same before credentials were shown. */
  readonly anonymousAnswerStallMs: number;
  /** For how long a client that was admitted to a capsule may neither send more of a body nor read more of an answer, in ms. */
  readonly relayedStallMs: number;
  /** Bytes of requests and answers of all clients together that may wait in this process, for a service or for their client. */
  readonly unreadBytes: number;
  /** Requests of one HTTP/1.1 connection that wait for their answers. */
  readonly pipelined: number;
  /** PING and SETTINGS frames of one HTTP/2 connection in a minute. */
  readonly controlFrames: number;
  /** All header fields of a request together, in bytes. */
  readonly headerBytes: number;
}

export const defaultListenerLimits: ListenerLimits = {
  connections: 20_000,
  perNetwork: 256,
  perSite: 1024,
  perOwner: 5000,
  graceMs: 5000,
  headersMs: 10_000,
  keepAliveMs: 620_000,
  anonymousKeepAliveMs: 60_000,
  bodyStallMs: 60_000,
  bodyBytes: 512,
  anonymousBodyBytes: 32 << 10,
  slowBodyMs: 300_000,
  answerStallMs: 600_000,
  anonymousAnswerStallMs: 60_000,
  relayedStallMs: 600_000,
  unreadBytes: 256 << 20,
  pipelined: 32,
  controlFrames: 600,
  headerBytes: 64 << 10,
};
