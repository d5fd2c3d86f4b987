import type { ParsedPolicy } from "../policy.ts";
import { TokenBucket } from "./slot-allowance.ts";
import { NameBindings } from "./name-bindings.ts";
import { DecisionLog } from "./decision-log.ts";

/** Questions, over UDP and TCP. A browser or a package manager asks some hundred at once. */
const QUERIES = { perSecond: 200, burst: 400 };
/** Connections that are led by their server name. */
const SERVER_NAMES = { perSecond: 100, burst: 500 };
/** Questions that a slot may put to the upstreams however many others do. */
const MODEST_QUESTIONS = { perSecond: 2, burst: 20 };
/** Names that a slot may have observed at a time. */
const MAX_NAMES = 1024;

interface Observed {
  /** Joined by commas: arrays of strings take several times the memory. */
  readonly addresses: string;
  /** Milliseconds since the Unix epoch. */
  readonly until: number;
}

/** What the gateway knows of one slot. */
export class SlotState {
  readonly number: number;
  readonly log = new DecisionLog();
  /** Ends each connection that a policy no longer allows. */
  readonly splices = new Set<(policy: ParsedPolicy) => void>();
  readonly queries = new TokenBucket(QUERIES);
  readonly serverNames = new TokenBucket(SERVER_NAMES);
  readonly modestQuestions = new TokenBucket(MODEST_QUESTIONS);
  readonly bindings = new NameBindings();
  /** Connections to the resolver. */
  dnsConnections = 0;
  /** Connections whose server name is not known yet. */
  nameless = 0;
  policy: ParsedPolicy;
  epoch: number;
  /** Questions that wait for an answer. */
  asking = 0;
  readonly #observed = new Map<string, Observed>();

  constructor(number: number, policy: ParsedPolicy, epoch: number) {
    this.number = number;
    this.policy = policy;
    this.epoch = epoch;
  }

  /** What was observed under the old policy counts no more; connections that the new one forbids end. */
  change(policy: ParsedPolicy, epoch: number): void {
    this.policy = policy;
    this.epoch = epoch;
    this.#observed.clear();
    this.bindings.forget();
    for (const judge of this.splices) judge(policy);
  }

  observe(name: string, addresses: readonly string[], until: number): void {
    this.#observed.delete(name);
    this.#observed.set(name, { addresses: addresses.join(","), until });
    if (this.#observed.size <= MAX_NAMES) return;
    for (const oldest of this.#observed.keys()) {
      this.#observed.delete(oldest);
      return;
    }
  }

  /** Addresses that the resolver has answered for the name and that still count; undefined when it was not asked. */
  observed(name: string, now: number): readonly string[] | undefined {
    const entry = this.#observed.get(name);
    return entry && entry.until > now ? entry.addresses.split(",") : undefined;
  }

  /** Whether all of the addresses stay bound at least until then. */
  holds(name: string, addresses: readonly string[], until: number): boolean {
    const entry = this.#observed.get(name);
    if (entry === undefined || entry.until < until) return false;
    const held = new Set(entry.addresses.split(","));
    return addresses.every((address) => held.has(address));
  }
}
