import { WrennError } from "@wrenn/core";
import { parseNetwork, withoutNested } from "./cidr.ts";
import type { Network } from "./cidr.ts";
import { parseDomain } from "./domain-pattern.ts";
import type { DomainPattern } from "./domain-pattern.ts";

/**
 * What a guest may reach. Slots, the host, private, link-local and multicast ranges stay denied whatever this says;
 * then `deny` beats `allow`, and `egress` decides the rest.
 */
export interface NetworkPolicy {
  readonly egress: "allow" | "deny";
  /** IPv4 addresses, CIDR blocks, domain names, or `*.` and a domain name. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
}

export const DEFAULT_POLICY: NetworkPolicy = { egress: "allow", allow: [], deny: [] };
const MAX_POLICY_ENTRIES = 1024;

/** A policy taken apart: networks are judged by the kernel, names by the gateway. */
export interface ParsedPolicy {
  readonly egress: "allow" | "deny";
  readonly allow: Rules;
  readonly deny: Rules;
  /** Connections to port 443 that no network rule allows have to name their server, and are led there by that name. */
  readonly byServerName: boolean;
}

/** One list of a policy. */
export interface Rules {
  /** Sorted, without overlaps. */
  readonly networks: readonly Network[];
  readonly domains: readonly DomainPattern[];
}

/** @throws WrennError `invalid_field` for an entry that is neither network nor name, or too many of them. */
export function parsePolicy(policy: NetworkPolicy): ParsedPolicy {
  const allow = parseRules(policy.allow, "allow");
  const deny = parseRules(policy.deny, "deny");
  const byServerName = deny.domains.length > 0 || (policy.egress === "deny" && allow.domains.length > 0);
  return { egress: policy.egress, allow, deny, byServerName };
}

function parseRules(entries: readonly string[], field: string): Rules {
  if (entries.length > MAX_POLICY_ENTRIES)
    throw new WrennError("invalid_field", { field, problem: `has more than ${MAX_POLICY_ENTRIES} entries` });
  // What begins like an address has to be one: a mistyped network must not become a name that never matches.
  const isNetwork = (entry: string): boolean => /^[\d.]+(\/|$)|:/.test(entry);
  return {
    networks: withoutNested(entries.filter(isNetwork).map((entry) => parseNetwork(entry, field))),
    domains: entries.filter((entry) => !isNetwork(entry)).map((entry) => parseDomain(entry, field)),
  };
}
