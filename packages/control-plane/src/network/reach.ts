import type { NetworkRules } from "@wrenn/protocol";

/** What a capsule without rules may reach. */
const DEFAULT: NetworkRules = { egress: "allow", allow: [], deny: [] };

/**
 * Whether everything that `rules` let a capsule reach is within reach by `base` as well. Entries are compared as they are written: a
 * network within another one counts as different.
 */
export function reachesNoMore(rules: NetworkRules, base: NetworkRules = DEFAULT): boolean {
  if (rules.egress === "deny" && rules.allow.length === 0) return true;
  // `deny` beats `allow`.
  if (!isWithin(base.deny, rules.deny)) return false;
  return base.egress === "allow" || (rules.egress === "deny" && isWithin(rules.allow, base.allow));
}

function isWithin(some: readonly string[], all: readonly string[]): boolean {
  const known = new Set(all);
  return some.every((entry) => known.has(entry));
}
