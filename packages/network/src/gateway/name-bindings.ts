import { GroupedWrites } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import type { NamedAddress } from "../policy-rules.ts";
import { TokenBucket } from "./slot-allowance.ts";

/** An address stays bound for longer than its record says, so that a client that resolved it just in time still gets through. */
export const GRACE_SEC = 60;
/** Addresses that one request binds at most. */
const MOST = 64;
/** Requests of one slot; a little less than the host agent takes of it. */
const REQUESTS = { perSecond: 16, burst: 64 };
const PAUSE_MS = 50;
/** Addresses that are remembered as bound; those that are not are bound again. */
const MAX_REMEMBERED = 2048;

/** Has the kernel pass these addresses; rejects when it does not. */
export type Bind = (addresses: readonly NamedAddress[]) => Promise<void>;

interface Wanted {
  readonly addresses: readonly string[];
  /** Seconds that the record is good for. */
  readonly seconds: number;
  readonly bind: Bind;
  readonly clock: Clock;
  /** Of the policy that the name was judged by. */
  readonly epoch: number;
}

/**
 * Addresses that the kernel passes for one slot under its policy. Each request to bind some costs the host a process: addresses that
 * stay bound for long enough are not bound again, those that are asked for while a request is under way share the next one, and
 * requests have a rate.
 */
export class NameBindings {
  /** Milliseconds since the Unix epoch until which each address is bound. */
  readonly #until = new Map<string, number>();
  readonly #requests = new TokenBucket(REQUESTS);
  readonly #writes = new GroupedWrites<Wanted, void>((wanted) => this.#write(wanted));
  #epoch: number;

  /** @param epoch - of the policy that the slot has. */
  constructor(epoch: number) {
    this.#epoch = epoch;
  }

  /**
   * Resolves when all of the addresses are bound at least for these seconds; rejects when the slot has another policy than the one of
   * `epoch`, by which their name was judged.
   */
  async hold(wanted: Wanted): Promise<void> {
    const { addresses, seconds, clock, epoch } = wanted;
    if (epoch === this.#epoch && addresses.every((address) => this.#isHeld(address, seconds, clock))) return;
    await this.#writes.write(wanted);
  }

  /** The slot has the policy of this epoch, under which nothing is bound yet. */
  begin(epoch: number): void {
    this.#until.clear();
    this.#epoch = epoch;
  }

  #isHeld(address: string, seconds: number, clock: Clock): boolean {
    return (this.#until.get(address) ?? 0) >= clock.now() + seconds * 1000;
  }

  async #write(group: readonly Wanted[]): Promise<readonly (void | Error)[]> {
    const current = group.filter(({ epoch }) => epoch === this.#epoch);
    const wanted = new Map<string, number>();
    for (const { addresses, seconds, clock } of current)
      for (const address of addresses)
        if (!this.#isHeld(address, seconds, clock))
          wanted.set(address, Math.max(wanted.get(address) ?? 0, seconds + GRACE_SEC));
    const named = [...wanted].map(([address, seconds]) => ({ address, seconds }));
    const [first] = current;
    for (let at = 0; at < named.length; at += MOST)
      if (first) await this.#request(named.slice(at, at + MOST), first);
    return group.map(({ epoch }) => (epoch === this.#epoch ? undefined : policyChanged()));
  }

  async #request(named: readonly NamedAddress[], { bind, clock, epoch }: Wanted): Promise<void> {
    while (!this.#requests.take(clock.now())) await clock.sleep(PAUSE_MS);
    if (epoch !== this.#epoch) throw policyChanged();
    const now = clock.now();
    await bind(named);
    if (epoch !== this.#epoch) return;
    for (const { address, seconds } of named) {
      this.#until.delete(address);
      this.#until.set(address, now + seconds * 1000);
    }
    for (const oldest of this.#until.keys()) {
      if (this.#until.size <= MAX_REMEMBERED) break;
      this.#until.delete(oldest);
    }
  }
}

function policyChanged(): Error {
  return new Error("the policy has changed");
}
