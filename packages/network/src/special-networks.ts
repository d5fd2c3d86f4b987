import { BlockList, isIP, isIPv4 } from "node:net";
import { ipv6Groups } from "@wrenn/core";

/**
 * What no setting opens to capsules, and where no host of another machine is: this network, loopback, link-local with the metadata services
 * of most clouds, multicast and reserved, and the platform services that clouds offer elsewhere: the metadata of Alibaba, Equinix, Oracle,
 * UCloud and Volcengine, and Azure's WireServer.
 */
export const CLOSED_NETWORKS: readonly string[] = [
  "0.0.0.0/8",
  "100.80.80.80/32",
  "100.96.0.96/32",
  "100.100.100.200/32",
  "127.0.0.0/8",
  "168.63.129.16/32",
  "169.254.0.0/16",
  "192.0.0.192/32",
  "192.80.8.124/32",
  "224.0.0.0/3",
];

/** The same of IPv6: unspecified and loopback, link-local, the metadata of Amazon, Google and Oracle and Amazon's
 * credentials of pods, multicast. Capsules have no IPv6 at all. */
export const CLOSED_IPV6_NETWORKS: readonly string[] = [
  "::/127",
  "fe80::/10",
  "fd00:c1::a9fe:a9fe/128",
  "fd00:ec2::23/128",
  "fd00:ec2::254/128",
  "fd20:ce::254/128",
  "ff00::/8",
];

/**
 * What the operator may open, and no policy by itself: private, shared, protocol assignments, 6to4 relays, benchmarks, and the
 * networks on which IBM's cloud offers its services.
 */
export const PRIVATE_NETWORKS: readonly string[] = [
  "10.0.0.0/8",
  "100.64.0.0/10",
  "161.26.0.0/16",
  "166.8.0.0/14",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
];

/** Networks of examples: nothing answers there, unless a laboratory uses them. */
const DOCUMENTATION_NETWORKS: readonly string[] = ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"];

/** Parts of 2000::/3 that lead elsewhere: Teredo and other protocol assignments, documentation, 6to4. */
const SPECIAL_IPV6: readonly string[] = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];

const special = blockListOf([
  ...CLOSED_NETWORKS,
  ...PRIVATE_NETWORKS,
  ...DOCUMENTATION_NETWORKS,
  ...SPECIAL_IPV6,
]);
const closed = blockListOf([...CLOSED_NETWORKS, ...CLOSED_IPV6_NETWORKS]);
/** Everything else of IPv6, mapped and translated IPv4 among it, is not of the internet. */
const global = blockListOf(["2000::/3"]);

/** Whether an address is one of the public internet: the server itself sends requests of users nowhere else. */
export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !special.check(address, "ipv4");
  return global.check(address, "ipv6") && !special.check(address, "ipv6");
}

/** Whether an address is one that no setting opens. What is no address is closed, too. */
export function isClosedAddress(address: string): boolean {
  const [ip = ""] = address.split("%");
  if (isIP(ip) === 0 || closed.check(ip, isIPv4(ip) ? "ipv4" : "ipv6")) return true;
  const within = isIPv4(ip) ? undefined : embeddedIPv4(ip);
  return within !== undefined && closed.check(within, "ipv4");
}

/**
 * Where a gateway leads packets for an IPv6 address that holds an IPv4 one: translated (RFC 6052, RFC 8215 and RFC 6145), compatible
 * (RFC 4291) or 6to4 (RFC 3056).
 */
function embeddedIPv4(ip: string): string | undefined {
  const groups = ipv6Groups(ip);
  const prefix = groups
    .slice(0, 6)
    .map((group) => group.toString(16))
    .join(":");
  const isTranslated =
    prefix === "64:ff9b:0:0:0:0" || prefix.startsWith("64:ff9b:1:") || prefix === "0:0:0:0:ffff:0";
  if (isTranslated || prefix === "0:0:0:0:0:0") return dotted(groups[6], groups[7]);
  return groups[0] === 0x2002 ? dotted(groups[1], groups[2]) : undefined;
}

function dotted(high = 0, low = 0): string {
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join(".");
}

function blockListOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = "", prefix] = network.split("/");
    list.addSubnet(address, Number(prefix), isIPv4(address) ? "ipv4" : "ipv6");
  }
  return list;
}
