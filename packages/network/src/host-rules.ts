import {
  CAPSULE_TIMEOUTS,
  compileNewConnections,
  FIRST_PACKET,
  gatewayConnectionRules,
} from "./connection-limits.ts";
import type { ConnectionLimits } from "./connection-limits.ts";
import { CLOSED, NEVER_REACHABLE } from "./destinations.ts";
import type { HostRoutes } from "./host-routes.ts";
import { blockCidr, gatewayUid, hostGateway, hostTable, linkPattern } from "./naming.ts";
import type { Instance } from "./naming.ts";
import { EVENTS_PORT, RESOLVER_PORT, SERVER_NAME_PORT } from "./slot.ts";

/** A DNS server that the gateway forwards to. */
export interface Upstream {
  readonly address: string;
  readonly port: number;
}

export interface HostRulesOptions {
  readonly upstreams: readonly Upstream[];
  /** Networks that the operator opened. */
  readonly opened: readonly string[];
  readonly routes: HostRoutes;
  /** Interfaces between which this host did not forward before capsules needed it to, and does not now. */
  readonly separated: readonly string[];
  /** Entries that the host's table of connections takes. */
  readonly tableSize: number;
  readonly connectionLimits: ConnectionLimits;
}

/** Different next hops, and neighbours that capsules tried in the last seconds. A full set refuses, it does not let pass. */
const NEXT_HOPS = 65_536;

/**
 * The instance's one table on the host: a constant number of rules however many slots there are. It repeats in the host what the slots'
 * own rules promise, so that neither layer alone is trusted, and confines the gateway, which reads what guests send. Questions to the
 * resolver over UDP are not in the host's table of connections, so that neither fills it nor needs room in it. Replaces an older
 * table of the instance in the same transaction.
 */
export function compileHostRules(instance: Instance, options: HostRulesOptions): string {
  const table = `inet ${hostTable(instance.id)}`;
  const links = `"${linkPattern(instance.id)}"`;
  const gateway = hostGateway(instance);
  const block = blockCidr(instance.block);
  return `table ${table} {
}
delete table ${table}
table ${table} {
${CAPSULE_TIMEOUTS}
${intervalSet("closed4", CLOSED)}
${intervalSet("never4", NEVER_REACHABLE)}
${intervalSet("reachable4", options.opened)}
${intervalSet("connected4", options.routes.connected)}
  set nexthops4 {
    type ipv4_addr
    size ${NEXT_HOPS}
    flags dynamic,timeout
    timeout 10s
  }
${packetRates()}
  chain spoofing {
    type filter hook prerouting priority raw; policy accept;
    iifname ${links} fib saddr . iif oif missing drop
    iifname ${links} ip daddr ${gateway} udp dport ${RESOLVER_PORT} notrack
  }
  chain answers {
    type filter hook output priority raw; policy accept;
    ip saddr ${gateway} ip daddr ${block} udp sport ${RESOLVER_PORT} notrack
  }
${compileNewConnections(options.tableSize, options.connectionLimits)}
  chain input {
    type filter hook input priority filter - 10; policy accept;
    iifname ${links} ct direction reply ct state established,related accept
    iifname ${links} ${FIRST_PACKET} jump new_connections
    iifname ${links} ip daddr ${gateway} jump to_gateway
    iifname ${links} ip daddr ${gateway} meta l4proto { tcp, udp } th dport ${RESOLVER_PORT} accept
    iifname ${links} ip daddr ${gateway} tcp dport { ${SERVER_NAME_PORT}, ${EVENTS_PORT} } accept
    iifname ${links} drop
    ip daddr ${gateway} meta l4proto { tcp, udp } th dport { ${RESOLVER_PORT}, ${SERVER_NAME_PORT}, ${EVENTS_PORT} } drop
  }
  chain forward {
    type filter hook forward priority filter - 10; policy accept;
    iifname ${links} meta nfproto ipv6 drop
    oifname ${links} meta nfproto ipv6 drop
    iifname ${links} ip saddr != ${block} drop
    iifname ${links} oifname "wr-*" drop
    iifname ${links} jump destination
    iifname ${links} ${FIRST_PACKET} jump new_connections
    oifname ${links} ct direction original drop
    oifname ${links} ct state != { established, related } drop
${separation(options.separated)}
  }
${destinationChains(options.routes.uplinks)}
  chain local_users {
    type filter hook output priority filter - 10; policy accept;
    ip daddr ${block} ct direction original meta skuid != 0 drop
    ip daddr ${block} ct state new meta l4proto tcp ct timeout set "capsule_tcp"
  }
  chain gateway_output {
    type filter hook output priority filter - 10; policy accept;
    meta skuid ${gatewayUid(instance)} jump gateway_sends
  }
  chain gateway_sends {
    ct direction reply ct state established,related accept
    ip saddr ${gateway} ip daddr ${block} udp sport ${RESOLVER_PORT} accept
${gatewayConnectionRules(options.tableSize)}
${options.upstreams.map(({ address, port }) => `    ${family(address)} daddr ${address} meta l4proto { tcp, udp } th dport ${port} accept`).join("\n")}
    meta nfproto ipv6 drop
    fib daddr type local drop
    jump destination
    tcp dport 443 accept
    drop
  }
  chain masquerade_slots {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${block} oifname != "wr-*" oifname != "lo" masquerade
  }
}
`;
}

/**
 * Drops what capsules must not reach. A packet's destination is a neighbour exactly when it is the packet's next hop. Rules cannot
 * compare the two, so the next hop goes into a set first: whatever of the set is a destination is a neighbour or a router. It
 * needs no list of networks, so it holds for networks that the host is connected to later, and for every routing table.
 */
function destinationChains(uplinks: readonly string[]): string {
  return `  chain destination {
    ip daddr @closed4 drop
    ct original ip daddr @closed4 drop
    ct original ip daddr @reachable4 return
    ct status dnat drop
    ip daddr @never4 drop
    ip daddr @connected4 drop
${uplinks.map((device) => `    oifname "${device}" return`).join("\n")}
    update @nexthops4 { rt ip nexthop } goto routed
    drop
  }
  chain routed {
    ip daddr @nexthops4 drop
  }`;
}

/** What one slot sends to the gateway, whose one process serves all of them. Beyond it packets are dropped before they reach it. */
function packetRates(): string {
  const rates = [
    ["questions", `udp dport ${RESOLVER_PORT}`, "300/second burst 150"],
    ["resolver_connections", `tcp dport ${RESOLVER_PORT} ct state new`, "20/second burst 40"],
    ["event_connections", `tcp dport ${EVENTS_PORT} ct state new`, "20/second burst 40"],
    ["name_connections", `tcp dport ${SERVER_NAME_PORT} ct state new`, "100/second burst 500"],
  ];
  return `${rates
    .map(
      ([name]) => `  set ${name} {
    type ipv4_addr
    size 32768
    flags dynamic,timeout
    timeout 60s
  }`,
    )
    .join("\n")}
  chain to_gateway {
${rates.map(([name, packets, rate]) => `    ${packets} add @${name} { ip saddr limit rate over ${rate} packets } drop`).join("\n")}
  }`;
}

function separation(interfaces: readonly string[]): string {
  if (interfaces.length === 0) return "";
  const names = interfaces.map((name) => `"${name}"`).join(", ");
  return `    iifname { ${names} } oifname { ${names} } drop`;
}

function intervalSet(name: string, networks: readonly string[]): string {
  const elements = networks.length === 0 ? "" : `\n    elements = { ${networks.join(", ")} }`;
  return `  set ${name} {
    type ipv4_addr
    flags interval${elements}
  }`;
}

function family(address: string): "ip" | "ip6" {
  return address.includes(":") ? "ip6" : "ip";
}
