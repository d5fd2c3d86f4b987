import { FIRST_PACKET } from "./connection-limits.ts";
import { CLOSED, NEVER_REACHABLE } from "./destinations.ts";
import type { Destinations } from "./destinations.ts";
import { blockCidr, hostGateway } from "./naming.ts";
import type { Instance } from "./naming.ts";
import { compilePolicy } from "./policy-rules.ts";
import { DEFAULT_POLICY, parsePolicy } from "./policy.ts";
import { SEEN_SECONDS } from "./seen-destinations.ts";
import type { SlotLimits } from "./slot-limits.ts";
import { EVENTS_PORT, RESOLVER_PORT } from "./slot.ts";
import type { Slot } from "./slot.ts";

/** Different destinations of which a slot remembers that they were granted or refused. */
const SEEN_DESTINATIONS = 512;
/** Addresses that names of a policy may have at a time. */
const NAMED_ADDRESSES = 8192;
/** The epoch of the policy that a slot is made with; later ones are greater. */
export const FIRST_EPOCH = 1;

/**
 * The whole ruleset inside a slot's namespace, for `nft -f -`. The egress rules judge the address that a connection was opened to
 * (`ct original`) on every packet of both directions, so a new policy also ends connections that it forbids. An answer of the
 * resolver that belongs to no question reaches no guest.
 */
export function compileSlotRules(
  instance: Instance,
  slot: Slot,
  limits: SlotLimits,
  destinations: Pick<Destinations, "opened">,
): string {
  const gateway = hostGateway(instance);
  const destination = "{ ct original ip daddr . meta l4proto . ct original proto-dst }";
  return `table inet wrenn {
  set closed4 {
    type ipv4_addr
    flags interval
    elements = { ${CLOSED.join(", ")} }
  }
  set never4 {
    type ipv4_addr
    flags interval
    elements = { ${NEVER_REACHABLE.join(", ")} }
  }
  set reachable4 {
    type ipv4_addr
    flags interval
  }
  set deny4 {
    type ipv4_addr
    flags interval
  }
  set allow4 {
    type ipv4_addr
    flags interval
  }
  set named4 {
    type ipv4_addr
    size ${NAMED_ADDRESSES}
    flags timeout
  }
${["granted", "refused"].map(seenSet).join("\n")}
  counter from_guest {
  }
  counter to_guest {
  }
  counter spoofed {
  }
  chain anti_spoofing {
    type filter hook prerouting priority raw; policy accept;
    iifname != "lo" meta nfproto ipv6 drop
    iifname "${slot.tap}" ether saddr != ${slot.mac} counter name spoofed drop
    iifname "${slot.tap}" ip saddr != ${slot.guestAddress} counter name spoofed drop
    iifname "eth0" ip saddr ${slot.guestAddress}/30 drop
  }
  chain by_name_nat {
  }
  chain destination_nat {
    type nat hook prerouting priority dstnat; policy accept;
    iifname "eth0" udp sport ${RESOLVER_PORT} drop
    iifname "eth0" ip saddr ${gateway} ip daddr ${slot.hostAddress} dnat ip to ${slot.guestAddress}
    iifname "${slot.tap}" ip daddr ${slot.gateway} meta l4proto { tcp, udp } th dport 53 dnat ip to ${gateway}:${RESOLVER_PORT}
    iifname "${slot.tap}" ip daddr ${slot.gateway} tcp dport 80 dnat ip to ${gateway}:${EVENTS_PORT}
    iifname "${slot.tap}" jump by_name_nat
  }
  chain masquerade_guest {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "eth0" ip saddr ${slot.guestAddress} masquerade
  }
  chain input {
    type filter hook input priority filter; policy drop;
    iifname "lo" accept
  }
  chain output {
    type filter hook output priority filter; policy drop;
    oifname "lo" accept
    meta l4proto icmp accept
    meta l4proto tcp tcp flags & rst == rst accept
    ct state established,related accept
  }
  chain grant {
    ct state new meta l4proto { tcp, udp } update @granted_ports ${destination}
    ct state new meta l4proto != { tcp, udp } update @granted_others { ct original ip daddr . meta l4proto }
    accept
  }
  chain refuse {
    meta l4proto { tcp, udp } update @refused_ports ${destination}
    meta l4proto != { tcp, udp } update @refused_others { ct original ip daddr . meta l4proto }
    ct original ip daddr @never4 drop
    reject with icmpx admin-prohibited
  }
  chain by_name_egress {
  }
  chain default_egress {
  }
  chain egress {
    ct original ip daddr { ${blockCidr(instance.block)} } goto refuse
    ct original ip daddr @closed4 goto refuse
    ct original ip daddr != @reachable4 ct original ip daddr @never4 goto refuse
    ct original ip daddr @deny4 goto refuse
    ct original ip daddr @allow4 goto grant
    jump by_name_egress
    goto default_egress
  }
  chain guest_to_outside {
    ${FIRST_PACKET} limit rate over ${limits.connectionsPerSecond}/second burst ${limits.connections} packets drop
    ${FIRST_PACKET} ct count over ${limits.connections} drop
    ct original ip daddr ${slot.gateway} ct status dnat accept
    goto egress
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state invalid drop
    iifname "${slot.tap}" counter name from_guest
    oifname "${slot.tap}" counter name to_guest
    ct original ip saddr ${slot.guestAddress} ct direction original iifname "${slot.tap}" oifname "eth0" goto guest_to_outside
    ct original ip saddr ${slot.guestAddress} ct direction reply iifname "eth0" oifname "${slot.tap}" goto guest_to_outside
    ct original ip saddr ${gateway} ct status dnat ct state established accept
    ct original ip saddr ${gateway} ct status dnat iifname "eth0" oifname "${slot.tap}" accept
  }
}
${compilePolicy(instance, parsePolicy(DEFAULT_POLICY), FIRST_EPOCH, destinations)}`;
}

/** Destinations with packet counters, for reading back; full sets take no more, which costs a slot nothing but the record. */
function seenSet(name: string): string {
  const rest = `flags dynamic,timeout
    timeout ${SEEN_SECONDS}s
    size ${SEEN_DESTINATIONS}
    counter`;
  return `  set ${name}_ports {
    type ipv4_addr . inet_proto . inet_service
    ${rest}
  }
  set ${name}_others {
    type ipv4_addr . inet_proto
    ${rest}
  }`;
}
