import type { Clock } from "@wrenn/core";
import type { DialLimits } from "./dial.ts";
import { UpstreamPool } from "./upstream-pool.ts";
import type { UpstreamPlace } from "./connect-to.ts";

const POOLS = 4096;

/** The pools of all capsules; the longest unused one goes when there are too many. */
export class UpstreamPools {
  readonly #pools = new Map<string, UpstreamPool>();
  readonly #limits: DialLimits;
  readonly #clock: Clock;

  constructor(limits: DialLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** The address is part of the key: a capsule that moved never meets connections to its old place. */
  of(capsuleId: string, place: UpstreamPlace): UpstreamPool {
    const key = `${capsuleId} ${place.address} ${place.port}`;
    const pool = this.#pools.get(key) ?? new UpstreamPool(place, this.#limits, this.#clock);
    this.#pools.delete(key);
    this.#pools.set(key, pool);
    if (this.#pools.size > POOLS) this.#drop(this.#pools.keys().next().value ?? key);
    return pool;
  }

  /** Forgets a capsule's connections: it was paused, moved or destroyed. */
  forget(capsuleId: string): void {
    for (const key of this.#pools.keys()) if (key.startsWith(`${capsuleId} `)) this.#drop(key);
  }

  close(): void {
    for (const key of this.#pools.keys()) this.#drop(key);
  }

  #drop(key: string): void {
    this.#pools.get(key)?.retire();
    this.#pools.delete(key);
  }
}
