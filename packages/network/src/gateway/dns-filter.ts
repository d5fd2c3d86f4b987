import type { Answer, DecodedPacket, Question } from "dns-packet";
import type { Destinations } from "../destinations.ts";
import { isPrivateName, isWithin, reversedAddress } from "./private-names.ts";

/** Types of records that guests get. Everything else is answered with nothing, and no resolver is asked. */
const PUBLIC_TYPES = new Set(["A", "CAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"]);
/** Those that reveal no more of a private zone than addresses that the capsule may reach anyway. */
const ADDRESS_TYPES = new Set(["A", "CNAME"]);

/** What capsules may learn from the host's resolvers. */
export interface DnsScope {
  readonly destinations: Pick<Destinations, "opened" | "isReachable">;
  /** Zones of the network that the host is in, of which its resolver knows more than the public does. */
  readonly searchDomains: readonly string[];
}

/** `ask` the resolvers; answer with `nothing`; answer that the name is `unknown`. */
export type QuestionVerdict = "ask" | "nothing" | "unknown";

/**
 * Judges a question before a resolver is asked. Names of private networks are unknown, unless the operator opened such networks: then
 * their addresses are answered. Reverse names are answered for addresses that capsules may reach.
 */
export function judgeQuestion({ type, name }: Question, scope: DnsScope): QuestionVerdict {
  const plain = canonical(name);
  if (isWithin(plain, "in-addr.arpa")) {
    const address = reversedAddress(plain);
    if (address === undefined || !scope.destinations.isReachable(address)) return "unknown";
    return type === "PTR" ? "ask" : "nothing";
  }
  if (isPrivateName(plain)) {
    if (scope.destinations.opened.length === 0 || isWithin(plain, "ip6.arpa")) return "unknown";
    return ADDRESS_TYPES.has(type) ? "ask" : "nothing";
  }
  if (scope.searchDomains.some((zone) => isWithin(plain, zone)))
    return ADDRESS_TYPES.has(type) ? "ask" : "nothing";
  return PUBLIC_TYPES.has(type) ? "ask" : "nothing";
}

/**
 * The records of an answer that a guest gets: of the type that it asked for, and the aliases before them. Addresses that it may not
 * reach are left out, and records that name a private network. A name without an address that is left has no aliases either.
 */
export function answersFor(question: Question, found: DecodedPacket, scope: DnsScope): readonly Answer[] {
  const kept = (found.answers ?? []).filter(
    (record) =>
      (record.type === question.type || record.type === "CNAME") && !isPrivateRecord(record, question, scope),
  );
  const isAnswered = kept.some(({ type }) => type === question.type);
  return question.type === "A" && !isAnswered ? [] : kept;
}

/** The authority that clients need to remember that something does not exist; it must not name a private network. */
export function authoritiesFor(found: DecodedPacket): readonly Answer[] {
  return (found.authorities ?? []).filter(
    (record) => record.type === "SOA" && !targets(record).some(isPrivate),
  );
}

function isPrivateRecord(record: Answer, question: Question, { destinations }: DnsScope): boolean {
  if (record.type === "A") return !destinations.isReachable(record.data);
  // The aliases of an address are judged by the address.
  if (record.type === "CNAME" && question.type === "A") return false;
  return [record.name, ...targets(record)].some((name) => isPrivate(name) && !isReverse(name));
}

/** Names that the data of a record consists of. */
function targets(record: Answer): readonly string[] {
  if (record.type === "CNAME" || record.type === "NS" || record.type === "PTR") return [record.data];
  if (record.type === "MX") return [record.data.exchange];
  if (record.type === "SRV") return [record.data.target];
  if (record.type === "SOA") return [record.data.mname, record.data.rname];
  return [];
}

function isPrivate(name: string): boolean {
  return isPrivateName(canonical(name));
}

function isReverse(name: string): boolean {
  return isWithin(canonical(name), "in-addr.arpa");
}

function canonical(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}
