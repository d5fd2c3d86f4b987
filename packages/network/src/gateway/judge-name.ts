import type { ParsedPolicy } from "../policy.ts";

/** What a policy says of a name, and which of its entries said it. */
export interface Judgement {
  readonly allowed: boolean;
  /** The entry, or `egress` when none matched. */
  readonly rule: string;
}

/** Deny beats allow; `egress` decides what no entry matches. */
export function judgeName(policy: ParsedPolicy, name: string): Judgement {
  const denying = policy.deny.domains.find((pattern) => pattern.matches(name));
  if (denying) return { allowed: false, rule: `deny ${denying.text}` };
  const allowing = policy.allow.domains.find((pattern) => pattern.matches(name));
  if (allowing) return { allowed: true, rule: `allow ${allowing.text}` };
  return { allowed: policy.egress === "allow", rule: `egress ${policy.egress}` };
}
