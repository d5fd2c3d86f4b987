/** Zones that resolvers of private networks answer for (RFC 6761, RFC 6762, RFC 8375, ICANN's `internal`, and common habits). */
const PRIVATE_ZONES: readonly string[] = [
  "alt",
  "corp",
  "home",
  "home.arpa",
  "internal",
  "internal.cloudapp.net",
  "intranet",
  "invalid",
  "ip6.arpa",
  "lan",
  "local",
  "localdomain",
  "localhost",
  "onion",
  "private",
];

/** Whether a name is one of a private network: of a zone for them, or without a zone. Lower case, without the last dot. */
export function isPrivateName(name: string): boolean {
  return (name !== "" && !name.includes(".")) || PRIVATE_ZONES.some((zone) => isWithin(name, zone));
}

export function isWithin(name: string, zone: string): boolean {
  return name === zone || name.endsWith(`.${zone}`);
}

/** The address that a name in `in-addr.arpa` stands for; undefined for any other name. */
export function reversedAddress(name: string): string | undefined {
  const octets = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/.exec(name)?.slice(1);
  if (!octets || octets.some((octet) => Number(octet) > 255)) return undefined;
  return octets.toReversed().map(Number).join(".");
}

/** Whether a name is made of labels that the wire format can hold, in characters that mean the same to every resolver. */
export function isPlainName(name: string): boolean {
  if (name === "" || name === ".") return true;
  const labels = name.replace(/\.$/, "").split(".");
  return name.length <= 253 && labels.every((label) => /^[\x21-\x2d\x2f-\x7e]{1,63}$/.test(label));
}
