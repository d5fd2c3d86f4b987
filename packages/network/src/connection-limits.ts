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
/** Of the whole table; a team holds no more, whatever its setting is. */
const TEAM_SHARE = 1 / 16;
/** Of what all capsules open per second; a team opens no more, at once and per second, so that it leaves room for others. */
const TEAM_OPENED_SHARE = 1 / 4;
/** Of the whole table; the gateway asks no more questions per second for all capsules, each of which is an entry for some seconds. */
const ASKED_SHARE = 1 / 64;
/** The same for connections to servers that guests name. */
const DIALLED_SHARE = 1 / 64;
/** Of the whole table; the host's rules let the gateway open no more per second, whatever it does. */
const GATEWAY_SHARE = 1 / 32;
/** What kernels choose on small hosts, for a table that the kernel has not made yet. */
export const USUAL_TABLE_SIZE = 65_536;
/** For a table without a limit, which takes what memory there is. */
export const LARGE_TABLE_SIZE = 1_048_576;

/** The first packet of a connection. `ct state new` alone holds for every packet of one that was never answered. */
export const FIRST_PACKET = "ct state new ct status & confirmed != confirmed";

/** Questions per second that the gateway may put to resolvers for all capsules together. */
export function questionsPerSecond(tableSize: number): number {
  return shareOfTable(tableSize, ASKED_SHARE);
}

/** Connections per second that the gateway may open to servers for all capsules together. */
export function dialsPerSecond(tableSize: number): number {
  return shareOfTable(tableSize, DIALLED_SHARE);
}

function shareOfTable(tableSize: number, share: number): number {
  return Math.max(1, Math.floor(tableSize * share));
}

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
  }
  ct timeout gateway_udp {
    protocol udp
    l3proto ip
    policy = { unreplied : 5, replied : 3 }
  }`;

/**
 * Rules for the first packet of each connection that a capsule opens. `guard` is filled while the table is nearly full. A team's rules
 * come before those for all: what exceeds a team's share takes nothing of theirs.
 */
export function compileNewConnections(tableSize: number, limits: ConnectionLimits): string {
  const perSecond = shareOfTable(tableSize, OPENED_SHARE);
  return `  chain all_teams {
    limit rate over ${perSecond}/second burst ${perSecond} packets drop
  }
  map slot_teams {
    type ipv4_addr : verdict
  }
  chain no_team {
${teamRules(tableSize, limits)
  .map((rule) => `    ${rule}`)
  .join("\n")}
  }
  chain guard {
  }
  chain new_connections {
    meta l4proto tcp ct timeout set "capsule_tcp"
    jump guard
    ip saddr vmap @slot_teams
    goto no_team
  }`;
}

/** The rules of one team, or of all slots without one: a rate, since ended connections stay for a while, and how many it holds. */
export function teamRules(tableSize: number, { team, teamPerSecond }: ConnectionLimits): readonly string[] {
  const held = Math.min(team, shareOfTable(tableSize, TEAM_SHARE));
  const opened = shareOfTable(tableSize, OPENED_SHARE * TEAM_OPENED_SHARE);
  const rate = `${Math.min(teamPerSecond, opened)}/second burst ${Math.min(held, opened)}`;
  return [`limit rate over ${rate} packets drop`, `ct count over ${held} drop`, "goto all_teams"];
}

/**
 * Rules for what the gateway opens for capsules, in the chain of what it sends: questions to resolvers, and connections that are led by
 * server name. Ended ones are forgotten soon, and those that answer nothing.
 */
export function gatewayConnectionRules(tableSize: number): string {
  const perSecond = shareOfTable(tableSize, GATEWAY_SHARE);
  return ["udp", "tcp"]
    .flatMap((protocol) => [
      `meta l4proto ${protocol} ${FIRST_PACKET} limit rate over ${perSecond}/second burst ${perSecond} packets drop`,
      `meta l4proto ${protocol} ct state new ct timeout set "${protocol === "udp" ? "gateway_udp" : "capsule_tcp"}"`,
    ])
    .map((rule) => `    ${rule}`)
    .join("\n");
}
