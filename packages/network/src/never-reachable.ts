import { overlaps, parseNetwork } from "./cidr.ts";

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

const networks = NEVER_REACHABLE.map((network) => parseNetwork(network, "never"));

/** Whether an IPv4 address lies in a network that no policy opens. */
export function isNeverReachable(address: string): boolean {
  const other = parseNetwork(address, "address");
  return networks.some((network) => overlaps(network, other));
}
