import { isIPv4 } from "node:net";
import { ConcurrencyLimit, GroupedWrites, KeyedQueue, problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import type { NetworkDecision } from "@wrenn/protocol";
import type { Destinations } from "./destinations.ts";
import type { Gateway } from "./gateway/gateway.ts";
import { TokenBucket } from "./gateway/slot-allowance.ts";
import { namespaceName, slotOf } from "./naming.ts";
import type { Instance } from "./naming.ts";
import { removePolicy, writePolicy } from "./policy-journal.ts";
import type { PolicyRecord } from "./policy-journal.ts";
import { compileBindings, compilePolicy } from "./policy-rules.ts";
import type { NamedAddress } from "./policy-rules.ts";
import { DEFAULT_POLICY, parsePolicy } from "./policy.ts";
import type { NetworkPolicy, ParsedPolicy } from "./policy.ts";
import type { Runner } from "./runner.ts";
import { readSeen } from "./seen-destinations.ts";
import { changeRules } from "./slot-setup.ts";
import { FIRST_EPOCH } from "./slot-rules.ts";

const MAX_BINDING = 64;
const MAX_BINDING_SEC = 7200;
/** Requests of one slot to bind addresses. The gateway asks for less. */
const BIND_RATE = { perSecond: 20, burst: 100 };
/** Slots whose addresses are bound at a time; each is a process. */
const MAX_BINDING_SLOTS = 4;
const MAX_EPOCH = 2 ** 31;

export interface SlotPoliciesOptions {
  readonly instance: Instance;
  readonly stateDirectory: string;
  readonly runner: Runner;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly destinations: Destinations;
  /** Set once the gateway runs; it asks for bindings as soon as it does. */
  readonly gateway: () => Pick<Gateway, "setPolicy" | "decisions" | "forget">;
}

interface Held extends PolicyRecord {
  readonly parsed: ParsedPolicy;
}

interface Binding {
  readonly epoch: number;
  readonly addresses: readonly NamedAddress[];
}

/** Requests to bind that come while a transaction of the slot runs share the next one. */
interface Binder {
  readonly rate: TokenBucket;
  readonly writes: GroupedWrites<Binding, void>;
}

/** Keeps what the kernel and the gateway know of each slot's policy the same. Changes of one slot happen one after the other. */
export class SlotPolicies {
  readonly #options: SlotPoliciesOptions;
  readonly #held = new Map<number, Held>();
  readonly #queue = new KeyedQueue();
  readonly #binders = new Map<number, Binder>();
  readonly #bindingSlots = new ConcurrencyLimit(MAX_BINDING_SLOTS);
  /** Of the newest policy of all slots: what was judged for one is never taken for another that has its number later. */
  #epoch = FIRST_EPOCH;

  constructor(options: SlotPoliciesOptions) {
    this.#options = options;
  }

  /** Makes a new slot known, whose rules hold the default policy. */
  async open(number: number, signal: AbortSignal): Promise<void> {
    this.#hold(number, { policy: DEFAULT_POLICY, epoch: FIRST_EPOCH });
    await this.#options.gateway().setPolicy(number, FIRST_EPOCH, DEFAULT_POLICY, signal);
  }

  /**
   * Makes a slot of an earlier run known. Its rules are written again, in case the run ended while it changed them; under the
   * same epoch, so that connections go on.
   */
  async reopen(number: number, record: PolicyRecord | undefined, signal: AbortSignal): Promise<void> {
    const known = record ?? { policy: DEFAULT_POLICY, epoch: FIRST_EPOCH };
    this.#epoch = Math.max(this.#epoch, known.epoch);
    const held = this.#hold(number, known);
    await this.#queue.run(String(number), async () => {
      // Released since: the number may have a new slot with another policy.
      if (this.#held.get(number) === held) await this.#put(number, known, signal);
    });
  }

  /**
   * Replaces the policy at once: the gateway judges names by the new one before the kernel changes over in one transaction,
   * and what the old one had bound is forgotten. When the kernel refuses, the old one stands.
   */
  async apply(number: number, policy: NetworkPolicy, signal: AbortSignal): Promise<void> {
    parsePolicy(policy);
    await this.#queue.run(String(number), async () => {
      const before = this.#held.get(number);
      if (!before)
        throw new WrennError("invalid_field", { field: "slot", problem: `${number} is not in use` });
      this.#epoch = (this.#epoch % MAX_EPOCH) + 1;
      const record = { policy, epoch: this.#epoch };
      await writePolicy(this.#options.stateDirectory, number, record);
      this.#hold(number, record);
      try {
        await this.#put(number, record, signal);
      } catch (error) {
        this.#hold(number, before);
        await writePolicy(this.#options.stateDirectory, number, before);
        // Not under the caller's signal, which may be what ended the attempt.
        await this.#put(number, before, AbortSignal.timeout(5000)).catch((error: unknown) => {
          this.#options.logger.error("network.policy_restore_failed", {
            slot: number,
            problem: problemOf(error),
          });
        });
        throw error;
      }
    });
  }

  /** Lets addresses that the gateway has found for an allowed name pass. What it asks for is checked: it reads hostile bytes. */
  async bind(number: number, epoch: number, addresses: readonly NamedAddress[]): Promise<void> {
    const sound = addresses.every(
      ({ address, seconds }) =>
        isIPv4(address) &&
        this.#options.destinations.isReachable(address) &&
        Number.isInteger(seconds) &&
        seconds > 0 &&
        seconds <= MAX_BINDING_SEC,
    );
    if (!sound || addresses.length === 0 || addresses.length > MAX_BINDING)
      throw new WrennError("invalid_field", { field: "addresses", problem: "cannot be bound" });
    if (!this.#mayBind(number, epoch)) throw epochIsOver();
    const { rate, writes } = this.#binderOf(number);
    if (!rate.take(this.#options.clock.now()))
      throw new WrennError("operation_failed", {
        operation: `binding addresses of network slot ${number}`,
        problem: "it asks for too many",
      });
    await writes.write({ epoch, addresses });
  }

  #binderOf(number: number): Binder {
    const known = this.#binders.get(number);
    if (known) return known;
    const writes = new GroupedWrites<Binding, void>((bindings) =>
      this.#bindingSlots.run(() => this.#bindAll(number, bindings)),
    );
    const binder = { rate: new TokenBucket(BIND_RATE), writes };
    this.#binders.set(number, binder);
    return binder;
  }

  async #bindAll(number: number, bindings: readonly Binding[]): Promise<readonly (void | Error)[]> {
    return await this.#queue.run(String(number), async () => {
      const longest = new Map<string, NamedAddress>();
      for (const { epoch, addresses } of bindings)
        for (const named of this.#mayBind(number, epoch) ? addresses : [])
          if (named.seconds > (longest.get(named.address)?.seconds ?? 0)) longest.set(named.address, named);
      const rules = compileBindings([...longest.values()]);
      if (longest.size > 0) await this.#change(number, rules, AbortSignal.timeout(5000));
      return bindings.map(({ epoch }) => (this.#mayBind(number, epoch) ? undefined : epochIsOver()));
    });
  }

  #mayBind(number: number, epoch: number): boolean {
    const held = this.#held.get(number);
    return held?.epoch === epoch && held.parsed.allow.domains.length > 0;
  }

  /** What the slot's guest wanted to reach, oldest first. */
  async decisions(number: number, signal: AbortSignal): Promise<readonly NetworkDecision[]> {
    const { instance, runner, clock } = this.#options;
    const { stdout } = await runner(
      [
        "ip",
        "netns",
        "exec",
        namespaceName(instance.id, number),
        "nft",
        "-j",
        "list",
        "table",
        "inet",
        "wrenn",
      ],
      { signal },
    );
    const names = await this.#options.gateway().decisions(number, signal);
    return [...names, ...readSeen(stdout, clock.now())].sort((a, b) => a.at - b.at);
  }

  /** Forgets a slot, once the changes of it that have begun are over: none of them reaches the next slot of its number. */
  async close(number: number): Promise<void> {
    this.#held.delete(number);
    this.#binders.delete(number);
    await this.#queue.run(String(number), async () => {
      // Also what a change that failed has put back.
      this.#held.delete(number);
      this.#options.gateway().forget(number);
      await removePolicy(this.#options.stateDirectory, number);
    });
  }

  #hold(number: number, record: PolicyRecord): Held {
    const held = { ...record, parsed: parsePolicy(record.policy) };
    this.#held.set(number, held);
    return held;
  }

  async #put(number: number, { policy, epoch }: PolicyRecord, signal: AbortSignal): Promise<void> {
    const { gateway, instance, destinations } = this.#options;
    await gateway().setPolicy(number, epoch, policy, signal);
    await this.#change(number, compilePolicy(instance, parsePolicy(policy), epoch, destinations), signal);
  }

  async #change(number: number, rules: string, signal: AbortSignal): Promise<void> {
    const { instance, runner } = this.#options;
    await changeRules(instance, slotOf(instance, number), rules, runner, signal);
  }
}

function epochIsOver(): WrennError {
  return new WrennError("invalid_field", { field: "epoch", problem: "is over" });
}
