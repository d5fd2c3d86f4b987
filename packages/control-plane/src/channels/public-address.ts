import { BlockList, isIPv4 } from "node:net";

/** IPv4 that is not of the internet (IANA special-purpose registry), multicast and reserved ranges included. */
const specialIPv4 = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3],
] as const;

/** Parts of 2000::/3 that lead elsewhere: Teredo and other protocol assignments, documentation, 6to4. */
const specialIPv6 = [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
] as const;

const special = new BlockList();
for (const [net, bits] of specialIPv4) special.addSubnet(net, bits, "ipv4");
for (const [net, bits] of specialIPv6) special.addSubnet(net, bits, "ipv6");
/** Everything else of IPv6, mapped and translated IPv4 among it, is not of the internet. */
const global = new BlockList();
global.addSubnet("2000::", 3, "ipv6");

/** Whether an address is one of the public internet. */
export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !special.check(address, "ipv4");
  return global.check(address, "ipv6") && !special.check(address, "ipv6");
}
