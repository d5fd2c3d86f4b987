import { WrennError } from "@wrenn/core";
import { overlaps, parseNetwork, withoutNested } from "./cidr.ts";
import type { Network } from "./cidr.ts";
import { CLOSED_NETWORKS, PRIVATE_NETWORKS } from "./special-networks.ts";

const MAX_REACHABLE = 256;

const closed = CLOSED_NETWORKS.map((network) => parseNetwork(network, "closed"));
const never = withoutNested(
  [...CLOSED_NETWORKS, ...PRIVATE_NETWORKS].map((network) => parseNetwork(network, "never")),
);

/** What no policy opens by itself, as elements of an nftables interval set; the first kind not even the operator's setting. */
export const CLOSED = closed.map(({ text }) => text);
export const NEVER_REACHABLE = never.map(({ text }) => text);

/** Where the capsules of this host may send to at most; policies narrow it down. */
export interface Destinations {
  /** Networks that the operator opened, in their normal form, without nested ones. */
  readonly opened: readonly string[];
  /** Whether a policy may open an IPv4 address. Networks that the host is connected to are judged by the kernel alone. */
  readonly isReachable: (address: string) => boolean;
}

/**
 * The public internet, and the networks that the operator opens.
 *
 * @throws WrennError `invalid_field` for what is no IPv4 network, and for networks that stay closed.
 */
export function createDestinations(networks: readonly string[]): Destinations {
  const field = "WRENN_REACHABLE_NETWORKS";
  if (networks.length > MAX_REACHABLE)
    throw new WrennError("invalid_field", { field, problem: `has more than ${MAX_REACHABLE} networks` });
  const opened = withoutNested(networks.map((network) => parseNetwork(network, field)));
  const useless = opened.find((network) => closed.some((other) => contains(other, network)));
  if (useless)
    throw new WrennError("invalid_field", {
      field,
      problem: `cannot open ${useless.text}: metadata, link-local, loopback and multicast addresses stay closed`,
    });
  const within = (list: readonly Network[], address: Network): boolean =>
    list.some((network) => overlaps(network, address));
  return {
    opened: opened.map(({ text }) => text),
    isReachable: (text) => {
      const address = parseNetwork(text, "address");
      return !within(closed, address) && (!within(never, address) || within(opened, address));
    },
  };
}

function contains(outer: Network, inner: Network): boolean {
  return outer.first <= inner.first && inner.last <= outer.last;
}
