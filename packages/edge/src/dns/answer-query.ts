import { isIPv6 } from "node:net";
import { defined } from "@wrenn/core";
import { AUTHORITATIVE_ANSWER, decode, encode, RECURSION_DESIRED } from "dns-packet";
import type { Answer, DecodedPacket } from "dns-packet";

export interface Zone {
  readonly domains: readonly string[];
  readonly addresses: readonly string[];
}

/** Short: addresses of a test domain change when a laptop changes networks. */
const TTL_SEC = 60;
/** Response codes (RFC 1035 §4.1.1), the low bits of the flags. */
const FORMAT_ERROR = 1;
const NOT_IMPLEMENTED = 4;
const REFUSED = 5;

/**
 * The answer to one DNS query; undefined for packets that are no query, which are not answered at all, so that two
 * servers cannot be made to answer each other for ever.
 */
export function answerQuery(packet: Buffer, zone: Zone): Buffer | undefined {
  let query: DecodedPacket;
  try {
    query = decode(packet);
  } catch {
    return undefined;
  }
  if (query.type !== "query") return undefined;
  const questions = query.questions ?? [];
  const [question] = questions;
  const reply = (code: number, answers: Answer[] = []): Buffer =>
    encode({
      type: "response",
      ...defined({ id: query.id }),
      flags: (query.flag_rd ? RECURSION_DESIRED : 0) | (code === 0 ? AUTHORITATIVE_ANSWER : 0) | code,
      questions: questions.slice(0, 1),
      answers,
    });
  // Bits 11 to 14 are the kind of query; 0 is the ordinary one.
  if ((((packet[2] ?? 0) >> 3) & 0xf) !== 0) return reply(NOT_IMPLEMENTED);
  if (!question || questions.length !== 1) return reply(FORMAT_ERROR);
  const name = question.name.toLowerCase();
  if (!zone.domains.some((domain) => name === domain || name.endsWith(`.${domain}`))) return reply(REFUSED);
  const wanted = zone.addresses
    .map((data) => ({ data, type: isIPv6(data) ? ("AAAA" as const) : ("A" as const) }))
    .filter(({ type }) => question.type === type || question.type === ("ANY" as string));
  return reply(
    0,
    // The name as asked: resolvers that randomise its letter case compare it.
    wanted.map(({ data, type }) => ({ type, name: question.name, ttl: TTL_SEC, data })),
  );
}
