import { isIPv6, SocketAddress } from "node:net";

const MAPPED = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i;
const LOOPBACK = /^(?:127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1)$/;

/** The networks that a client cannot leave by choosing another address. */
export interface ClientNetworks {
  /** An IPv4 address, or the first 64 bits of an IPv6 one. */
  readonly narrow: string;
  /** The first 48 bits of an IPv6 address: a site, which has 65,536 networks of 64 bits. */
  readonly wide: string | undefined;
}

/** The two ends of a client's connection, which identify it whichever object stands for it: a socket, its TLS, or an HTTP/2 session. */
export interface ConnectionEnds {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
}

/** The networks of an address; text that is not an address stands for itself. */
export function clientNetworks(ip: string): ClientNetworks {
  const address = plainAddress(ip);
  if (!isIPv6(address)) return { narrow: address, wide: undefined };
  const groups = ipv6Groups(address).map((group) => group.toString(16));
  return { narrow: `${groups.slice(0, 4).join(":")}::/64`, wide: `${groups.slice(0, 3).join(":")}::/48` };
}

/** An IPv4 address that a socket of both families reports as IPv6, as IPv4. */
export function plainAddress(ip: string): string {
  const [, mapped] = MAPPED.exec(ip) ?? [];
  return mapped ?? ip;
}

export function isLoopback(ip: string): boolean {
  return LOOPBACK.test(plainAddress(ip));
}

/** The eight groups of 16 bits of an IPv6 address. */
export function ipv6Groups(ip: string): readonly number[] {
  const [head = "", tail] = new SocketAddress({ address: ip, family: "ipv6" }).address.split("::");
  const first = groupsIn(head);
  if (tail === undefined) return first;
  const last = groupsIn(tail);
  const zeros = Array.from({ length: Math.max(0, 8 - first.length - last.length) }, () => 0);
  return [...first, ...zeros, ...last];
}

/** Groups of hexadecimal digits, the last two of which may be written as an IPv4 address. */
function groupsIn(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((part) => {
    if (!part.includes(".")) return [parseInt(part, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = part.split(".").map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}
