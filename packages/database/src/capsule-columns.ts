/* What columns of capsules hold as JSON. */

/** How ports of a capsule are reached that is used through another API than the platform's own. */
export interface Ingress {
  /** `all`: every port is public; `token`: each is, to those who show the token of the capsule. */
  readonly ports: "all" | "token";
  /** What services see as host, with `${PORT}` for the port; default: what the client has sent. */
  readonly maskHost?: string;
  /** Ports whose services speak TLS; their certificates are not checked. */
  readonly tlsPorts?: readonly number[];
}

/** When the memory of a guest was full, and what its kernel killed for that. */
export interface OutOfMemoryRow {
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly kills: number;
  readonly process: string;
  readonly pid: number;
  readonly memory_bytes: number;
}
