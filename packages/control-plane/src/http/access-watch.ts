import { problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import { grantName, revocableBy, revocationName } from "./access-grants.ts";
import type { AccessGrant, Revocation } from "./access-grants.ts";

/** Everything is looked at again every {@link ROUND_TICKS} ticks: a notification that was lost changes nothing. */
const TICK_MS = 1000;
const ROUND_TICKS = 2;
/** A check that has no answer after this time has failed. */
const CHECK_MS = 4000;
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
  /** By the name of the grant. One without holders stays until the next tick: many requests of one caller follow each other. */
  readonly #entries = new Map<string, Entry>();
  /** By the revocations that may end them. */
  readonly #revocable = new Map<string, Set<Entry>>();
  readonly #closing = new AbortController();
  readonly #revoked: (string | undefined)[] = [];
  #looking = false;
  #tick = 0;
  #rounding = false;

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
    const { holders } = this.#entries.get(name) ?? this.#add(name, grant);
    // One function may be passed twice.
    const holder: OnEnd = (reason) => onEnd(reason);
    holders.add(holder);
    return () => void holders.delete(holder);
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
      const affected = [...revoked].flatMap((name) =>
        name === undefined ? [...this.#entries.values()] : [...(this.#revocable.get(name) ?? [])],
      );
      await this.#check([...new Set(affected)]);
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
        if (entry.holders.size === 0) this.#remove(entry);
        else if (entry.unconfirmed > UNCONFIRMED_TICKS)
          this.#end(entry, new WrennError("access_unconfirmed", {}));
      }
      if (this.#tick % ROUND_TICKS === 0 && !this.#rounding) void this.#round();
    }
  }

  async #round(): Promise<void> {
    this.#rounding = true;
    await this.#check([...this.#entries.values()]);
    this.#rounding = false;
  }

  async #check(all: readonly Entry[]): Promise<void> {
    const entries = all.filter(({ holders }) => holders.size > 0);
    if (entries.length === 0) return;
    const began = this.#tick;
    try {
      const live = await this.#answer(entries.map(({ grant }) => grant));
      for (const entry of entries) {
        if (live.has(entry.grant)) entry.unconfirmed = Math.min(entry.unconfirmed, this.#tick - began);
        else this.#end(entry, new WrennError("access_ended", {}));
      }
    } catch (error) {
      this.#deps.logger.warn("access.check_failed", { problem: problemOf(error) });
    }
  }

  /** A database that cannot be reached may never answer. */
  async #answer(grants: readonly AccessGrant[]): Promise<ReadonlySet<AccessGrant>> {
    const { live, clock } = this.#deps;
    const answered = new AbortController();
    const late = clock.sleep(CHECK_MS, answered.signal).then(() => {
      throw new Error("the database does not answer");
    });
    try {
      return await Promise.race([live(grants), late]);
    } finally {
      answered.abort();
    }
  }

  #add(name: string, grant: AccessGrant): Entry {
    const entry = { grant, holders: new Set<OnEnd>(), unconfirmed: 0 };
    this.#entries.set(name, entry);
    for (const revocation of revocableBy(grant)) {
      const entries = this.#revocable.get(revocation) ?? new Set();
      this.#revocable.set(revocation, entries.add(entry));
    }
    return entry;
  }

  #remove(entry: Entry): void {
    const name = grantName(entry.grant);
    if (this.#entries.get(name) === entry) this.#entries.delete(name);
    for (const revocation of revocableBy(entry.grant)) {
      const entries = this.#revocable.get(revocation);
      entries?.delete(entry);
      if (entries?.size === 0) this.#revocable.delete(revocation);
    }
  }

  #end(entry: Entry, reason: WrennError): void {
    this.#remove(entry);
    const { grant, holders } = entry;
    const ending = [...holders];
    holders.clear();
    if (ending.length > 0)
      this.#deps.logger.info("access.ended", {
        grant: grant.kind,
        holders: ending.length,
        reason: reason.reason,
      });
    for (const onEnd of ending) {
      try {
        onEnd(reason);
      } catch (error) {
        // One that cannot be ended keeps none of the others open.
        this.#deps.logger.error("access.end_failed", { grant: grant.kind, problem: problemOf(error) });
      }
    }
  }
}
