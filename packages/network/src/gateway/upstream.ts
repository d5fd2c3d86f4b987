import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { decode, encode, RECURSION_DESIRED } from "dns-packet";
import type { DecodedPacket, Question } from "dns-packet";
import { abortable, WrennError } from "@wrenn/core";
import type { Clock, Random } from "@wrenn/core";
import type { Upstream } from "../host-rules.ts";
import { SharedRate } from "./slot-allowance.ts";
import type { TokenBucket } from "./slot-allowance.ts";

const ATTEMPT_MS = 2000;
const ROUNDS = 2;
/** Safe from fragmentation everywhere (DNS flag day 2020). */
const UDP_BYTES = 1232;

/** The slot for which a question is asked. */
export interface Asker {
  /** What it may ask however much the others do. */
  readonly modestQuestions: TokenBucket;
}

/** Puts one question to one of the upstreams, each in turn, twice. */
export type AskUpstream = (question: Question, asker: Asker, signal: AbortSignal) => Promise<DecodedPacket>;

export interface UpstreamDeps {
  readonly random: Random;
  readonly clock: Clock;
}

/**
 * The resolvers that the gateway forwards to. Each question has a socket, and so a source port, and an id of its own; it is an entry
 * in the host's table of connections, of which slots share a rate.
 *
 * @param perSecond - sockets that may be opened for all slots together.
 * @returns a function that throws WrennError `operation_failed` when none of them answers, or the slot has to wait.
 */
export function createUpstream(
  upstreams: readonly Upstream[],
  perSecond: number,
  { random, clock }: UpstreamDeps,
): AskUpstream {
  const shared = new SharedRate(perSecond);
  return async (question, asker, signal) => {
    const requireTurn = (): void => {
      if (shared.take(asker.modestQuestions, clock.now())) return;
      throw new WrennError("operation_failed", {
        operation: "asking the upstream resolvers",
        problem: "capsules ask too many questions",
      });
    };
    let problem = "there is none";
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const upstream of upstreams) {
        requireTurn();
        const attempt = AbortSignal.any([signal, AbortSignal.timeout(ATTEMPT_MS)]);
        try {
          const answer = await ask(upstream, question, { random, tcp: false, signal: attempt });
          if (!answer.flag_tc) return answer;
          requireTurn();
          return await ask(upstream, question, { random, tcp: true, signal: attempt });
        } catch (error) {
          signal.throwIfAborted();
          problem = error instanceof Error ? error.message : String(error);
        }
      }
    }
    throw new WrennError("operation_failed", { operation: "asking the upstream resolvers", problem });
  };
}

interface Attempt {
  readonly random: Random;
  readonly tcp: boolean;
  readonly signal: AbortSignal;
}

async function ask(upstream: Upstream, question: Question, attempt: Attempt): Promise<DecodedPacket> {
  const id = Buffer.from(attempt.random.bytes(2)).readUInt16BE(0);
  const query = encode({
    type: "query",
    id,
    flags: RECURSION_DESIRED,
    questions: [question],
    additionals: [
      {
        type: "OPT",
        name: ".",
        udpPayloadSize: UDP_BYTES,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: 0,
        flag_do: false,
        options: [],
      },
    ],
  });
  const isAnswer = (packet: DecodedPacket): boolean =>
    packet.type === "response" &&
    packet.id === id &&
    packet.questions?.length === 1 &&
    packet.questions[0]?.type === question.type &&
    packet.questions[0].name.toLowerCase() === question.name.toLowerCase();
  const parse = (bytes: Buffer): DecodedPacket | undefined => {
    try {
      const packet = decode(bytes);
      return isAnswer(packet) ? packet : undefined;
    } catch {
      return undefined;
    }
  };
  const exchange = attempt.tcp ? exchangeTcp : exchangeUdp;
  return await exchange(upstream, query, parse, attempt.signal);
}

type Parse = (bytes: Buffer) => DecodedPacket | undefined;

/** Whatever does not answer the question is passed over: it may come from someone who guesses. */
async function exchangeUdp(upstream: Upstream, query: Buffer, parse: Parse, signal: AbortSignal) {
  const socket = createSocket(upstream.address.includes(":") ? "udp6" : "udp4");
  const { promise, resolve, reject } = Promise.withResolvers<DecodedPacket>();
  // The wait may have ended before this fails.
  promise.catch(() => {});
  socket.on("error", reject);
  socket.on("message", (bytes: Buffer) => {
    const packet = parse(bytes);
    if (packet) resolve(packet);
  });
  // A connected socket takes packets from the upstream only, and hears of its port being closed.
  socket.connect(upstream.port, upstream.address, () => socket.send(query));
  try {
    return await abortable(signal, promise);
  } finally {
    socket.close();
  }
}

async function exchangeTcp(upstream: Upstream, query: Buffer, parse: Parse, signal: AbortSignal) {
  const socket = connect(upstream.port, upstream.address);
  const { promise, resolve, reject } = Promise.withResolvers<DecodedPacket>();
  let received = Buffer.alloc(0);
  // The wait may have ended before this fails.
  promise.catch(() => {});
  socket.on("error", reject);
  socket.on("close", () => reject(new Error("the upstream closed the connection")));
  socket.on("data", (bytes: Buffer) => {
    received = Buffer.concat([received, bytes]);
    if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
    const packet = parse(received.subarray(2, 2 + received.readUInt16BE(0)));
    if (packet) resolve(packet);
    else reject(new Error("the upstream answered something else"));
  });
  const length = Buffer.alloc(2);
  length.writeUInt16BE(query.length);
  socket.write(Buffer.concat([length, query]));
  try {
    return await abortable(signal, promise);
  } finally {
    socket.destroy();
  }
}
