import { WrennError } from "@wrenn/core";
import { fail, ok } from "./check.ts";
import type { Check } from "./check.ts";

/** What the slots' and the host's rules rest on: connection tracking with its limits and times, translation, sets that packets fill, routes. */
const RULES = `table inet wrenn_doctor {
  ct timeout short { protocol tcp; l3proto ip; policy = { established : 7440 }; }
  set hops { type ipv4_addr; size 16; flags dynamic,timeout; timeout 10s; }
  chain forward { type filter hook forward priority filter; ct state new ct count over 9 drop; ct timeout set "short"; update @hops { rt ip nexthop }; }
  chain raw { type filter hook prerouting priority raw; policy accept; }
  chain input { type filter hook input priority filter; policy drop; ct state established,related accept; }
  chain source { type nat hook postrouting priority srcnat; policy accept; oifname "lo" masquerade; }
}
`;

/** Whether the kernel takes our kind of firewall rules, tried in a network namespace that ends with the command. */
export const nftablesCheck: Check = {
  id: "nftables",
  title: "nftables",
  why: "its rules keep capsules from each other, from the host and from its networks",
  inspect: async (probe, signal) => {
    try {
      const result = await probe.run(["unshare", "--net", "nft", "--file", "-"], signal, RULES);
      if (result.code === 0) return ok("filter, connection tracking and translation work");
      const problem = result.stderr.trim().split("\n")[0] ?? "";
      if (probe.uid !== 0)
        return fail(problem, "Run as root, which network namespaces and firewall rules need.");
      return fail(
        problem,
        "Install nftables (apt-get install nftables) and use a kernel with nf_tables, nf_conntrack and nft_masq.",
      );
    } catch (error) {
      if (WrennError.is(error, "dependency_missing"))
        return fail("unshare is missing", "apt-get install util-linux");
      throw error;
    }
  },
};
