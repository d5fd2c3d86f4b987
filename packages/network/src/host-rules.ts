import { blockCidr, gatewayUid, hostGateway, hostTable, linkPattern } from "./naming.ts";
import type { Instance } from "./naming.ts";
import { NEVER_REACHABLE } from "./never-reachable.ts";
import { RESOLVER_PORT, SERVER_NAME_PORT } from "./slot.ts";

/** A DNS server that the gateway forwards to. */
export interface Upstream {
  readonly address: string;
  readonly port: number;
}

/**
 * The instance's one table on the host: a constant number of rules however many slots there are. It repeats in the host what the slots'
 * own rules promise, so that neither layer alone is trusted, and confines the gateway, which reads what guests send. Replaces an
 * older table of the instance in the same transaction.
 */
export function compileHostRules(instance: Instance, upstreams: readonly Upstream[]): string {
  const table = `inet ${hostTable(instance.id)}`;
  const links = `"${linkPattern(instance.id)}"`;
  const gateway = hostGateway(instance);
  const uid = gatewayUid(instance);
  return `table ${table} {
}
delete table ${table}
table ${table} {
  chain spoofing {
    type filter hook prerouting priority raw; policy accept;
    iifname ${links} fib saddr . iif oif missing drop
  }
  chain input {
    type filter hook input priority filter - 10; policy accept;
    iifname ${links} ct direction reply ct state established,related accept
    iifname ${links} ip daddr ${gateway} meta l4proto { tcp, udp } th dport ${RESOLVER_PORT} accept
    iifname ${links} ip daddr ${gateway} tcp dport ${SERVER_NAME_PORT} accept
    iifname ${links} drop
    ip daddr ${gateway} meta l4proto { tcp, udp } th dport { ${RESOLVER_PORT}, ${SERVER_NAME_PORT} } drop
  }
  chain forward {
    type filter hook forward priority filter - 10; policy accept;
    iifname ${links} meta nfproto ipv6 drop
    oifname ${links} meta nfproto ipv6 drop
    iifname ${links} ip saddr != ${blockCidr(instance.block)} drop
    iifname ${links} oifname "wr-*" drop
    oifname ${links} ct direction original drop
    oifname ${links} ct state != { established, related } drop
  }
  chain gateway_output {
    type filter hook output priority filter - 10; policy accept;
    meta skuid ${uid} jump gateway_sends
  }
  chain gateway_sends {
    ct direction reply ct state established,related accept
${upstreams.map(({ address, port }) => `    ${family(address)} daddr ${address} meta l4proto { tcp, udp } th dport ${port} accept`).join("\n")}
    meta nfproto ipv6 drop
    ip daddr { ${NEVER_REACHABLE.join(", ")} } drop
    fib daddr type local drop
    tcp dport 443 accept
    drop
  }
  chain masquerade_slots {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${blockCidr(instance.block)} oifname != "wr-*" oifname != "lo" masquerade
  }
}
`;
}

function family(address: string): "ip" | "ip6" {
  return address.includes(":") ? "ip6" : "ip";
}
