import { blockCidr, hostTable, linkPattern } from "./naming.ts";
import type { Instance } from "./naming.ts";

/**
 * The instance's one table on the host: a constant number of rules however many slots there are. It repeats in the host what the slots'
 * own rules promise, so that neither layer alone is trusted. Replaces an older table of the instance in the same transaction.
 */
export function compileHostRules(instance: Instance): string {
  const table = `inet ${hostTable(instance.id)}`;
  const links = `"${linkPattern(instance.id)}"`;
  return `table ${table} {
}
delete table ${table}
table ${table} {
  chain input {
    type filter hook input priority filter - 10; policy accept;
    iifname ${links} ct direction reply ct state established,related accept
    iifname ${links} drop
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
  chain masquerade_slots {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${blockCidr(instance.block)} oifname != "wr-*" oifname != "lo" masquerade
  }
}
`;
}
