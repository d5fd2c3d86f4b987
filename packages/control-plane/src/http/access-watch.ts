import { problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import { grantName, revocableBy, revocationName } from "./access-grants.ts";
import type { AccessGrant, Revocation } from "./access-grants.ts";

/** Everything is looked at again every {@link ROUND_TICKS} ticks: a notification that was lost changes nothing. */
const TICK_MS = 1000;
const ROUND_TICKS = 2;
/** The answer of a check counts for this many ticks from its start. */
const CHECK_TICKS = 4;
/** What could not be confirmed for this many ticks ends. With the age of what authenticators remember (2 s) that is 10 s. */
const UNCONFIRMED_TICKS = 7;

export interface AccessWatchDeps {
  /** Those of the grants that hold. */
  readonly live: (grants: readonly AccessGrant[]) => Promise<ReadonlySet<AccessGrant>>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Called once, when the access ends, with `access_ended` or `access_unconfirmed`. */
type OnEnd = (reason: WrennError) => void;

interface Entry {
  readonly grant: AccessGrant;
  readonly holders: Set<OnEnd>;
  /** Ticks since a check that confirmed the grant began. */
  unconfirmed: number;
}

/**
 * The grants that requests and connections rest on while they last. A grant that ends takes them along: at once when a revocation is
 * notified, at the next round otherwise, which is how expiry is noticed. A check covers each grant once, however many hold it.
 */
export class AccessWatch {
  readonly #deps: AccessWatchDeps;
  readonly #entries = new Map<string, Entry>();
  readonly #closing = new AbortController();
  readonly #revoked: (string | undefined)[] = [];
  #looking = false;
  #tick = 0;
  /** Tick at which the round that is under way began. */
  #roundBegan: number | undefined;

  constructor(deps: AccessWatchDeps) {
    this.#deps = deps;
    void this.#watch();
  }

  /**
   * Watches a grant on behalf of a request or connection that was admitted by it just now.
   *
   * @returns ends the watch; more calls do nothing.
   */
  hold(grant: AccessGrant, onEnd: OnEnd): () => void {
    const name = grantName(grant);
    let entry = this.#entries.get(name);
    if (!entry) {
      entry = { grant, holders: new Set(), unconfirmed: 0 };
      this.#entries.set(name, entry);
    }
    const { holders } = entry;
    // One function may be passed twice.
    const holder: OnEnd = (reason) => onEnd(reason);
    holders.add(holder);
    return () => {
      holders.delete(holder);
      if (holders.size === 0 && this.#entries.get(name)?.holders === holders) this.#entries.delete(name);
    };
  }

  /** Checks at once what may have ended with this; without it everything, because revocations may have been missed. */
  recheck(revocation: Revocation | undefined): void {
    this.#revoked.push(revocation && revocationName(revocation));
    if (!this.#looking) void this.#lookAtRevoked();
  }

  close(): void {
    this.#closing.abort();
  }

  /** One check at a time: what is revoked during it is looked at together afterwards. */
  async #lookAtRevoked(): Promise<void> {
    this.#looking = true;
    while (this.#revoked.length > 0 && !this.#closing.signal.aborted) {
      const revoked = new Set(this.#revoked.splice(0));
      const isAffected = ({ grant }: Entry): boolean =>
        revoked.has(undefined) || revocableBy(grant).some((name) => revoked.has(name));
      await this.#check([...this.#entries.values()].filter(isAffected));
    }
    this.#looking = false;
  }

  async #watch(): Promise<void> {
    const { signal } = this.#closing;
    for (;;) {
      try {
        await this.#deps.clock.sleep(TICK_MS, signal);
      } catch {
        return;
      }
      this.#tick += 1;
      for (const entry of this.#entries.values()) {
        entry.unconfirmed += 1;
        if (entry.unconfirmed > UNCONFIRMED_TICKS) this.#end(entry, new WrennError("access_unconfirmed", {}));
      }
      const busy = this.#roundBegan !== undefined && this.#tick - this.#roundBegan < CHECK_TICKS;
      if (this.#tick % ROUND_TICKS === 0 && !busy) void this.#round();
    }
  }

  async #round(): Promise<void> {
    const began = this.#tick;
    this.#roundBegan = began;
    await this.#check([...this.#entries.values()]);
    if (this.#roundBegan === began) this.#roundBegan = undefined;
  }

  async #check(entries: readonly Entry[]): Promise<void> {
    if (entries.length === 0) return;
    const began = this.#tick;
    try {
      const live = await this.#deps.live(entries.map(({ grant }) => grant));
      const age = this.#tick - began;
      for (const entry of entries) {
        if (!live.has(entry.grant)) this.#end(entry, new WrennError("access_ended", {}));
        else if (age < CHECK_TICKS) entry.unconfirmed = Math.min(entry.unconfirmed, age);
      }
    } catch (error) {
      this.#deps.logger.warn("access.check_failed", { problem: problemOf(error) });
    }
  }

  #end({ grant, holders }: Entry, reason: WrennError): void {
    const name = grantName(grant);
    if (this.#entries.get(name)?.holders === holders) this.#entries.delete(name);
    const ending = [...holders];
    holders.clear();
    if (ending.length > 0)
      this.#deps.logger.info("access.ended", {
        grant: grant.kind,
        holders: ending.length,
        reason: reason.reason,
      });
    for (const onEnd of ending) onEnd(reason);
  }
}
