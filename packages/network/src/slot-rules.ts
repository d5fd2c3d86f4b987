import { hostGateway } from "./naming.ts";
import type { Instance } from "./naming.ts";
import { compilePolicy } from "./policy.ts";
import type { NetworkPolicy } from "./policy.ts";
import type { Slot } from "./slot.ts";

/** Destinations that no policy opens: this network, private, shared, loopback, link-local and metadata, benchmarks, multicast, reserved. */
export const NEVER_REACHABLE: readonly string[] = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "224.0.0.0/3",
];

/** Connections that a guest may hold open at once. */
export const MAX_CONNECTIONS = 4096;

/**
 * The whole ruleset inside a slot's namespace, for `nft -f -`. The egress rules judge the address that a connection was opened to
 * (`ct original`) on every packet of both directions, so a new policy also ends connections that it forbids.
 */
export function compileSlotRules(instance: Instance, slot: Slot, policy: NetworkPolicy): string {
  const limit = "limit rate over 200 mbytes/second burst 100 mbytes";
  return `table inet wrenn {
  set never4 {
    type ipv4_addr
    flags interval
    elements = { ${NEVER_REACHABLE.join(", ")} }
  }
  set deny4 {
    type ipv4_addr
    flags interval
  }
  set allow4 {
    type ipv4_addr
    flags interval
  }
  set allow4_dyn {
    type ipv4_addr
    flags timeout
  }
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
  chain dnat_to_guest {
    type nat hook prerouting priority dstnat; policy accept;
    iifname "eth0" ip saddr ${hostGateway(instance)} ip daddr ${slot.hostAddress} dnat ip to ${slot.guestAddress}
  }
  chain masquerade_guest {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "eth0" ip saddr ${slot.guestAddress} masquerade
  }
  chain resolver {
  }
  chain input {
    type filter hook input priority filter; policy drop;
    iifname "lo" accept
    iifname "${slot.tap}" ip daddr ${slot.gateway} meta l4proto { tcp, udp } th dport 53 jump resolver
  }
  chain output {
    type filter hook output priority filter; policy drop;
    oifname "lo" accept
    meta l4proto icmp accept
    meta l4proto tcp tcp flags & rst == rst accept
    ct state established,related accept
  }
  chain default_egress {
  }
  chain egress {
    ct original ip daddr @never4 drop
    ct original ip daddr @deny4 reject with icmpx admin-prohibited
    ct state new ct count over ${MAX_CONNECTIONS} drop
    ct original ip daddr @allow4 accept
    ct original ip daddr @allow4_dyn accept
    jump default_egress
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state invalid drop
    iifname "${slot.tap}" ${limit} drop
    oifname "${slot.tap}" ${limit} drop
    iifname "${slot.tap}" counter name from_guest
    oifname "${slot.tap}" counter name to_guest
    ct original ip saddr ${slot.guestAddress} ct direction original iifname "${slot.tap}" oifname "eth0" jump egress
    ct original ip saddr ${slot.guestAddress} ct direction reply iifname "eth0" oifname "${slot.tap}" jump egress
    ct original ip saddr ${hostGateway(instance)} ct status dnat ct state established accept
    ct original ip saddr ${hostGateway(instance)} ct status dnat iifname "eth0" oifname "${slot.tap}" accept
  }
}
${compilePolicy(policy)}`;
}
