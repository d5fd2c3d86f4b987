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
/** Connections to servers that a slot may have opened however many others do. */
const MODEST_DIALS = { perSecond: 2, burst: 20 };
/** Connections to the endpoint of events. */
const EVENTS = { perSecond: 20, burst: 40 };
/** What a slot may have observed at a time: names, and bytes of names and addresses. */
const MAX_NAMES = 1024;
const MAX_NAME_BYTES = 131_072;

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
  readonly events = new TokenBucket(EVENTS);
  readonly modestQuestions = new TokenBucket(MODEST_QUESTIONS);
  readonly modestDials = new TokenBucket(MODEST_DIALS);
  readonly bindings: NameBindings;
  /** Connections to the resolver. */
  dnsConnections = 0;
  /** Connections to the endpoint of events. */
  eventConnections = 0;
  /** Connections whose server name is not known yet. */
  nameless = 0;
  policy: ParsedPolicy;
  epoch: number;
  /** Questions that wait for an answer. */
  asking = 0;
  readonly #observed = new Map<string, Observed>();
  #observedBytes = 0;

  constructor(number: number, policy: ParsedPolicy, epoch: number) {
    this.number = number;
    this.policy = policy;
    this.epoch = epoch;
    this.bindings = new NameBindings(epoch);
  }

  /** What was observed under the old policy counts no more; connections that the new one forbids end. */
  change(policy: ParsedPolicy, epoch: number): void {
    this.policy = policy;
    this.epoch = epoch;
    this.#observed.clear();
    this.#observedBytes = 0;
    this.bindings.begin(epoch);
    for (const judge of this.splices) judge(policy);
  }

  observe(name: string, addresses: readonly string[], until: number): void {
    this.#unobserve(name);
    const joined = addresses.join(",");
    this.#observed.set(name, { addresses: joined, until });
    this.#observedBytes += name.length + joined.length;
    for (const oldest of this.#observed.keys()) {
      if (this.#observed.size <= MAX_NAMES && this.#observedBytes <= MAX_NAME_BYTES) return;
      this.#unobserve(oldest);
    }
  }

  #unobserve(name: string): void {
    const entry = this.#observed.get(name);
    if (!entry) return;
    this.#observed.delete(name);
    this.#observedBytes -= name.length + entry.addresses.length;
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
