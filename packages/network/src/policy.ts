import { WrennError } from "@wrenn/core";
import { parseNetwork, withoutNested } from "./cidr.ts";

/**
 * What a guest may reach. Slots, the host, private, link-local and multicast ranges stay denied whatever this says;
 * then `deny` beats `allow`, and `egress` decides the rest.
 */
export interface NetworkPolicy {
  readonly egress: "allow" | "deny";
  /** IPv4 addresses or CIDR blocks. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
}

export const DEFAULT_POLICY: NetworkPolicy = { egress: "allow", allow: [], deny: [] };
export const MAX_POLICY_ENTRIES = 1024;

/**
 * The chain and sets that hold the policy, as one nftables transaction: a running slot goes from the old policy to the new at once.
 *
 * @throws WrennError `invalid_field` for an entry that is not IPv4, or too many of them.
 */
export function compilePolicy(policy: NetworkPolicy): string {
  return [
    "flush set inet wrenn allow4",
    "flush set inet wrenn deny4",
    ...elements("allow4", policy.allow, "allow"),
    ...elements("deny4", policy.deny, "deny"),
    "flush chain inet wrenn default_egress",
    `add rule inet wrenn default_egress ${policy.egress === "allow" ? "accept" : "reject with icmpx admin-prohibited"}`,
    "",
  ].join("\n");
}

function elements(set: string, entries: readonly string[], field: string): string[] {
  if (entries.length > MAX_POLICY_ENTRIES)
    throw new WrennError("invalid_field", { field, problem: `has more than ${MAX_POLICY_ENTRIES} entries` });
  const networks = withoutNested(entries.map((entry) => parseNetwork(entry, field)));
  if (networks.length === 0) return [];
  return [`add element inet wrenn ${set} { ${networks.map((network) => network.text).join(", ")} }`];
}
