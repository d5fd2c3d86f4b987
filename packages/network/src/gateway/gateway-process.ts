import { setTimeout as delay } from "node:timers/promises";
import { problemOf, silentLogger, systemClock, systemRandom } from "@wrenn/core";
import { slotNumberAt } from "../naming.ts";
import type { NamedAddress } from "../policy-rules.ts";
import { DEFAULT_POLICY, parsePolicy } from "../policy.ts";
import { createDestinations } from "../destinations.ts";
import { EVENTS_PORT, RESOLVER_PORT, SERVER_NAME_PORT } from "../slot.ts";
import { listenForQueries } from "./dns-listener.ts";
import { listenForEvents } from "./events-endpoint.ts";
import type { FromGateway, ToGateway } from "./messages.ts";
import { createResolver, MAX_ADDRESSES } from "./resolver.ts";
import { listenForServerNames } from "./server-name-proxy.ts";
import type { ServerNameProxyOptions } from "./server-name-proxy.ts";
import { SharedRate } from "./slot-allowance.ts";
import { SlotState } from "./slot-state.ts";
import { createUpstream } from "./upstream.ts";

/**
 * The process that reads what guests send to the resolver and to port 443. It is nobody: a user of its own without capabilities,
 * under Node's permission model, and the host's rules let it send to upstreams, to port 443 of public addresses, and nowhere else.
 * It changes no rules itself; it asks the host agent to.
 */
type HostAnswer = Extract<ToGateway, { type: "bound" | "capsule" }>;

const slots = new Map<number, SlotState>();
/** What waits for an answer of the host agent. */
const waiting = new Map<number, (answer: HostAnswer) => void>();
const end = new AbortController();
let nextRef = 1;

function tell(message: FromGateway): void {
  // A host agent that is gone takes this process with it.
  if (process.connected) process.send?.(message);
}

async function ask(message: (ref: number) => FromGateway): Promise<HostAnswer> {
  const ref = nextRef++;
  const { promise, resolve } = Promise.withResolvers<HostAnswer>();
  waiting.set(ref, resolve);
  tell(message(ref));
  return await promise;
}

async function bind(slot: number, epoch: number, addresses: readonly NamedAddress[]): Promise<void> {
  const answer = await ask((ref) => ({ type: "bind", ref, slot, epoch, addresses }));
  if (answer.type === "bound" && answer.problem !== undefined) throw new Error(answer.problem);
}

async function capsuleOf(slot: number): Promise<string | undefined> {
  const answer = await ask((ref) => ({ type: "whose", ref, slot }));
  return answer.type === "capsule" ? answer.capsule : undefined;
}

async function start(options: Extract<ToGateway, { type: "start" }>): Promise<void> {
  const instance = { id: "", block: options.block, uidBase: 0 };
  process.setgroups?.([]);
  process.setgid?.(options.uid);
  process.setuid?.(options.uid);
  const slotAt = (address: string): SlotState | undefined => {
    const number = slotNumberAt(instance, address);
    return number === undefined ? undefined : slots.get(number);
  };
  const destinations = createDestinations(options.reachable);
  const { isReachable } = destinations;
  const common = { host: options.address, slotAt, clock: systemClock, logger: silentLogger };
  const askUpstream = createUpstream(options.upstreams, options.questionsPerSecond, {
    random: systemRandom,
    clock: systemClock,
  });
  const resolve = createResolver({
    ...common,
    ask: askUpstream,
    bind,
    scope: { destinations, searchDomains: options.searchDomains },
  });
  await listenForQueries({ ...common, port: RESOLVER_PORT, resolve }, end.signal);
  const lookUp: ServerNameProxyOptions["lookUp"] = async (name, slot, signal) => {
    const { answers = [] } = await askUpstream({ type: "A", class: "IN", name }, slot, signal);
    return answers
      .flatMap((a) => (a.type === "A" && isReachable(a.data) ? [a.data] : []))
      .slice(0, MAX_ADDRESSES);
  };
  await listenForEvents({ ...common, port: EVENTS_PORT, capsuleOf }, end.signal);
  const dials = new SharedRate(options.dialsPerSecond);
  await listenForServerNames({ ...common, port: SERVER_NAME_PORT, isReachable, lookUp, dials }, end.signal);
}

function changePolicy({ slot, epoch, policy, ref }: Extract<ToGateway, { type: "policy" }>): void {
  const parsed = parsePolicy(policy);
  const state = slots.get(slot);
  if (state) state.change(parsed, epoch);
  else slots.set(slot, new SlotState(slot, parsed, epoch));
  tell({ type: "done", ref });
}

function forget(slot: number): void {
  slots.get(slot)?.change(parsePolicy({ ...DEFAULT_POLICY, egress: "deny" }), 0);
  slots.delete(slot);
}

process.on("message", (message: ToGateway) => {
  if (message.type === "start") {
    start(message).then(
      () => tell({ type: "ready" }),
      (error: unknown) => tell({ type: "failed", problem: problemOf(error) }),
    );
  } else if (message.type === "policy") changePolicy(message);
  else if (message.type === "forget") forget(message.slot);
  else if (message.type === "decisions")
    tell({ type: "decisions", ref: message.ref, decisions: slots.get(message.slot)?.log.list() ?? [] });
  else {
    waiting.get(message.ref)?.(message);
    waiting.delete(message.ref);
  }
});

process.on("disconnect", () => {
  end.abort();
  // What is still on its way must not keep it.
  void delay(100).then(() => process.exit(0));
});

// Ctrl-C in a terminal reaches everything that runs in it. The server decides when this process ends.
process.on("SIGINT", () => {});
