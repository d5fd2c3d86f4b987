import type { HttpClient } from "../transport/http.ts";
import { requireKnownOptions } from "../transport/options.ts";
import type { WireAnswer } from "../wire/api-types.ts";

/** What a capsule may reach. `deny` beats `allow`, and `egress` decides about everything else. */
export interface NetworkPolicy {
  /** Default: `allow`. */
  readonly egress?: "allow" | "deny";
  /** IPv4 addresses, CIDR blocks, domain names, and `*.` before a domain name; at most 1024. */
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
}

/** What the policy decided about connections or names that the capsule tried. */
export interface NetworkDecision {
  /** `name` (DNS), `server_name` (TLS to port 443) or `destination`. */
  readonly kind: string;
  readonly subject: string;
  /** `allowed` or `denied`. */
  readonly verdict: string;
  readonly reason: string;
  readonly count: number;
  /** The last time. */
  readonly at: Date;
}

/** @throws WrennError `unknown_option`. */
export function requireNetworkPolicy(call: string, policy: NetworkPolicy): void {
  requireKnownOptions(`network of ${call}`, policy, ["egress", "allow", "deny"]);
}

export async function readNetworkDecisions(
  http: HttpClient,
  path: string,
  signal: AbortSignal | undefined,
): Promise<readonly NetworkDecision[]> {
  const decisions = await http.json<WireAnswer<"GET /v1/capsules/{id}/network/decisions">>(
    "GET",
    `${path}/network/decisions`,
    { signal },
  );
  return decisions.map((one) => ({ ...one, at: new Date(one.at) }));
}
