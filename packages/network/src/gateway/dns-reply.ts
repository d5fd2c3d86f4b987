import { encode, RECURSION_AVAILABLE, RECURSION_DESIRED, TRUNCATED_RESPONSE } from "dns-packet";
import type { Answer, DecodedPacket, Question } from "dns-packet";

/** Response codes (RFC 1035 §4.1.1), the low bits of the flags. */
export const RCODE = {
  ok: 0,
  formatError: 1,
  serverFailure: 2,
  nameError: 3,
  notImplemented: 4,
  refused: 5,
} as const;

const PLAIN_UDP_BYTES = 512;
const MAX_UDP_BYTES = 1232;
const MAX_TCP_BYTES = 65_535;

/** A question that a guest put, taken apart. */
export interface Query {
  readonly id: number;
  readonly recursion: boolean;
  readonly question: Question;
  /** The longest answer that the asker takes. */
  readonly maxBytes: number;
}

/** What can be answered with: a code, and records when there are any. */
export interface Reply {
  readonly code: number;
  readonly answers?: readonly Answer[];
  readonly authorities?: readonly Answer[];
}

export function queryOf(packet: DecodedPacket, question: Question, transport: "udp" | "tcp"): Query {
  const opt = packet.additionals?.find((record) => record.type === "OPT");
  const offered = opt && "udpPayloadSize" in opt ? opt.udpPayloadSize : PLAIN_UDP_BYTES;
  return {
    id: packet.id ?? 0,
    recursion: packet.flag_rd,
    question,
    maxBytes:
      transport === "tcp" ? MAX_TCP_BYTES : Math.min(Math.max(offered, PLAIN_UDP_BYTES), MAX_UDP_BYTES),
  };
}

/** Encodes the answer; one that does not fit says so, and the asker comes again over TCP. */
export function encodeReply(query: Query, reply: Reply): Buffer {
  const flags = RECURSION_AVAILABLE | (query.recursion ? RECURSION_DESIRED : 0) | reply.code;
  const base = { type: "response" as const, id: query.id, questions: [query.question] };
  const whole = encode({
    ...base,
    flags,
    answers: [...(reply.answers ?? [])],
    authorities: [...(reply.authorities ?? [])],
  });
  return whole.length <= query.maxBytes ? whole : encode({ ...base, flags: flags | TRUNCATED_RESPONSE });
}
