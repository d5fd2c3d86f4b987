import { decode } from "dns-packet";
import type { Answer, DecodedPacket, Question } from "dns-packet";
import { problemOf } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import type { NamedAddress } from "../policy-rules.ts";
import { answersFor, authoritiesFor, judgeQuestion } from "./dns-filter.ts";
import type { DnsScope } from "./dns-filter.ts";
import { encodeReply, queryOf, RCODE } from "./dns-reply.ts";
import type { Reply } from "./dns-reply.ts";
import { judgeName } from "./judge-name.ts";
import { GRACE_SEC } from "./name-bindings.ts";
import { platformReply } from "./platform-names.ts";
import { isPlainName } from "./private-names.ts";
import { shareOf } from "./slot-allowance.ts";
import type { SlotState } from "./slot-state.ts";
import type { AskUpstream } from "./upstream.ts";

/** Questions under way: of one slot, and of all. */
const MAX_ASKING = 64;
const MAX_ASKING_TOTAL = 2048;
const MIN_TTL_SEC = 30;
const MAX_TTL_SEC = 3600;
/** Addresses of one name that are answered and remembered. */
export const MAX_ADDRESSES = 64;

export interface ResolverOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly ask: AskUpstream;
  readonly scope: DnsScope;
  /** Lets the kernel pass these addresses for the slot under the policy of this epoch; rejects when it does not. */
  readonly bind: (slot: number, epoch: number, addresses: readonly NamedAddress[]) => Promise<void>;
}

/** Answers one packet of a guest; undefined for those that are not answered at all. */
export type Resolver = (
  slot: SlotState,
  packet: Buffer,
  transport: "udp" | "tcp",
  signal: AbortSignal,
) => Promise<Buffer | undefined>;

/**
 * A forwarding resolver under each slot's policy. Under a policy that allows names, the kernel lets an address pass before the
 * guest learns it. Addresses that no policy opens are left out, so that names of the host's own networks tell a guest nothing.
 */
export function createResolver(options: ResolverOptions): Resolver {
  let askingTotal = 0;
  return async (slot, packet, transport, signal) => {
    if (!slot.queries.take(options.clock.now())) return undefined;
    const decoded = decodeQuery(packet);
    if (!decoded) return undefined;
    const questions = decoded.questions ?? [];
    const [question] = questions;
    if (!question || questions.length !== 1 || !isPlainName(question.name)) return undefined;
    const query = queryOf(decoded, question, transport);
    // Bits 11 to 14 are the kind of query; 0 is the ordinary one.
    if ((((packet[2] ?? 0) >> 3) & 0xf) !== 0 || question.class !== "IN")
      return encodeReply(query, { code: RCODE.notImplemented });
    if (slot.asking >= shareOf(askingTotal, MAX_ASKING_TOTAL, MAX_ASKING))
      return encodeReply(query, { code: RCODE.refused });
    slot.asking += 1;
    askingTotal += 1;
    try {
      return encodeReply(query, await answer(options, slot, question, signal));
    } catch (error) {
      options.logger.debug("network.resolve_failed", { slot: slot.number, problem: problemOf(error) });
      return encodeReply(query, { code: RCODE.serverFailure });
    } finally {
      slot.asking -= 1;
      askingTotal -= 1;
    }
  };
}

function decodeQuery(packet: Buffer): DecodedPacket | undefined {
  try {
    const decoded = decode(packet);
    return decoded.type === "query" ? decoded : undefined;
  } catch {
    return undefined;
  }
}

async function answer(
  options: ResolverOptions,
  slot: SlotState,
  question: Question,
  signal: AbortSignal,
): Promise<Reply> {
  const own = platformReply(question);
  if (own) return own;
  const name = question.name.toLowerCase();
  const { policy, epoch } = slot;
  const { allowed, rule } = judgeName(policy, name);
  const scoped = allowed ? judgeQuestion(question, options.scope) : "unknown";
  const verdict = allowed && scoped !== "unknown" ? "allowed" : "denied";
  const reason = allowed && scoped === "unknown" ? "a name of private networks" : rule;
  slot.log.record({ kind: "name", subject: name, verdict, reason, at: options.clock.now() });
  if (!allowed) return { code: RCODE.refused };
  if (scoped === "unknown") return { code: RCODE.nameError };
  if (scoped === "nothing") return { code: RCODE.ok };
  const found = await options.ask(question, slot, signal);
  const records = bounded(answersFor(question, found, options.scope));
  const addresses = records.flatMap((record) => (record.type === "A" ? [record.data] : []));
  if (addresses.length > 0) await learn(options, slot, { name, epoch, records, addresses });
  return { code: codeOf(found), answers: records, authorities: bounded(authoritiesFor(found)) };
}

interface Learned {
  readonly name: string;
  readonly epoch: number;
  readonly records: readonly Answer[];
  readonly addresses: readonly string[];
}

/** Remembers what was observed and, where only allowed names may be reached, has the kernel let their addresses pass. */
async function learn(options: ResolverOptions, slot: SlotState, learned: Learned): Promise<void> {
  const { name, epoch, records, addresses } = learned;
  const seconds = Math.max(MIN_TTL_SEC, Math.min(...records.map(ttlOf)));
  const now = options.clock.now();
  // Where no connection is led by its name, nothing is asked of what was observed.
  if (!slot.policy.byServerName) return;
  if (slot.holds(name, addresses, now + seconds * 1000)) return;
  if (slot.policy.egress === "deny")
    await slot.bindings.hold({
      addresses,
      seconds,
      epoch,
      clock: options.clock,
      bind: (named) => options.bind(slot.number, epoch, named),
    });
  // A policy that changed meanwhile has forgotten the binding, and must not find the name observed.
  if (slot.epoch === epoch) slot.observe(name, addresses, now + (seconds + GRACE_SEC) * 1000);
}

/** At most so many records, none of which is kept by clients for longer than addresses can stay bound. */
function bounded(records: readonly Answer[]): readonly Answer[] {
  return records
    .slice(0, MAX_ADDRESSES)
    .map((record) => ("ttl" in record ? { ...record, ttl: Math.min(ttlOf(record), MAX_TTL_SEC) } : record));
}

function ttlOf(record: Answer): number {
  return "ttl" in record && typeof record.ttl === "number" ? record.ttl : 0;
}

/** The response code is in the low four bits of the flags. */
function codeOf(packet: DecodedPacket): number {
  return (packet.flags ?? 0) & 0xf;
}
