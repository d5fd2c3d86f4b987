import { isIPv4 } from "node:net";
import { WrennError } from "@wrenn/core";

/** An IPv4 network as first and last address, for comparing. */
export interface Network {
  readonly text: string;
  readonly first: number;
  readonly last: number;
}

/**
 * Parses an IPv4 address or CIDR; host bits are cleared.
 *
 * @throws WrennError `invalid_field` naming `field`; IPv6 is refused because guests have none.
 */
export function parseNetwork(text: string, field: string): Network {
  const [address = "", prefix = "32", ...rest] = text.split("/");
  if (!isIPv4(address) || rest.length > 0 || !/^(3[0-2]|[12]?\d)$/.test(prefix))
    throw new WrennError("invalid_field", { field, problem: "must hold IPv4 addresses or CIDR blocks" });
  const bits = Number(prefix);
  const size = 2 ** (32 - bits);
  const value = address.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
  const first = value - (value % size);
  return { text: `${format(first)}/${bits}`, first, last: first + size - 1 };
}

/** Sorted, without networks that lie inside another: what an nftables interval set accepts without conflict. */
export function withoutNested(networks: readonly Network[]): readonly Network[] {
  const sorted = [...networks].sort((a, b) => a.first - b.first || b.last - a.last);
  const kept: Network[] = [];
  for (const network of sorted) {
    const before = kept.at(-1);
    if (!before || network.first > before.last) kept.push(network);
  }
  return kept;
}

/** The fewest networks that hold these addresses and no others. */
export function networksOf(addresses: Iterable<string>): readonly string[] {
  const values = [...new Set([...addresses].map((address) => parseNetwork(address, "address").first))];
  values.sort((a, b) => a - b);
  const networks: string[] = [];
  for (let at = 0; at < values.length;) {
    const first = values[at] ?? 0;
    let bits = 32;
    const isWhole = (size: number): boolean =>
      first % size === 0 && values[at + size - 1] === first + size - 1;
    while (bits > 0 && isWhole(2 ** (33 - bits))) bits -= 1;
    networks.push(bits === 32 ? format(first) : `${format(first)}/${bits}`);
    at += 2 ** (32 - bits);
  }
  return networks;
}

export function overlaps(a: Network, b: Network): boolean {
  return a.first <= b.last && b.first <= a.last;
}

function format(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}
