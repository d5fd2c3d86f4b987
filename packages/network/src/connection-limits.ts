/** What the capsules of this host may take of its table of connections, which the host's own connections need too. */
export interface ConnectionLimits {
  /** Connections that all capsules of a team may hold together. */
  readonly team: number;
  /** Connections that they may open per second, once they have opened as many as they may hold. */
  readonly teamPerSecond: number;
}

/** Defaults of docs/operations/network.md. */
export const DEFAULT_CONNECTION_LIMITS: ConnectionLimits = { team: 8192, teamPerSecond: 500 };

/** The table takes nothing more of capsules while it is this full: the rest is the host's. */
export const GUARDED_SHARE = 0.75;
/** Of the whole table; all capsules together open no more per second, so that the table cannot be full before it is looked at again. */
const OPENED_SHARE = 1 / 16;
/** What kernels choose on small hosts, for a table that the kernel has not made yet. */
export const USUAL_TABLE_SIZE = 65_536;

/**
 * How long the host remembers connections of capsules, in seconds. Established ones as long as RFC 5382 asks for, instead of five
 * days. Ended ones do not count towards the limits of connections, so they are forgotten soon.
 */
const TCP_SECONDS =
  "syn_sent : 30, syn_recv : 30, established : 7440, fin_wait : 60, close_wait : 60, last_ack : 30, time_wait : 20, close : 10";

export const CAPSULE_TIMEOUTS = `  ct timeout capsule_tcp {
    protocol tcp
    l3proto ip
    policy = { ${TCP_SECONDS} }
  }`;

/** Rules for the first packet of each connection that a capsule opens. `guard` is filled while the table is nearly full. */
export function compileNewConnections(tableSize: number): string {
  const perSecond = Math.max(1, Math.floor(tableSize * OPENED_SHARE));
  return `  map slot_teams {
    type ipv4_addr : verdict
  }
  chain guard {
  }
  chain new_connections {
    meta l4proto tcp ct timeout set "capsule_tcp"
    jump guard
    limit rate over ${perSecond}/second burst ${perSecond} packets drop
    ip saddr vmap @slot_teams
  }`;
}

/** The rules of one team: a rate, since ended connections stay in the table for a while, and how many it holds. */
export function teamRules({ team, teamPerSecond }: ConnectionLimits): readonly string[] {
  return [`limit rate over ${teamPerSecond}/second burst ${team} packets drop`, `ct count over ${team} drop`];
}
