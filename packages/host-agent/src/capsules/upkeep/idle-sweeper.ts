import type { Capsule } from "../capsule.ts";
import type { CapsuleRegistry } from "../capsule-registry.ts";
import type { PortConnections } from "../../host-agent-deps.ts";
import { SKIPPED } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import type { LifetimeEnd } from "@wrenn/protocol";
import { startOfRun } from "../capsule-record.ts";

const TICK_MS = 1000;
/** A pause that failed is tried again after this long, and then after twice as long each time. */
const RETRY_MS = 10_000;
const RETRY_MAX_MS = 10 * 60_000;

export interface IdleSweeperDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly connections: Pick<PortConnections, "inUse">;
}

/** When the present run of a capsule ends, in use or not; in milliseconds since the Unix epoch. */
function endOfRun({ spec, record }: Capsule): number {
  const since = startOfRun(record);
  if (record.runEnd?.since === since) return record.runEnd.at;
  const { maxLifetimeSec = 0 } = spec;
  return maxLifetimeSec > 0 ? since + maxLifetimeSec * 1000 : Infinity;
}

/** What ends the run of a capsule. */
type EndRun = (id: string, end: LifetimeEnd) => Promise<unknown>;

/** Pauses capsules that have been idle for their timeout, and ends the run of those that have run for their maximum lifetime. */
export class IdleSweeper {
  readonly #registry: CapsuleRegistry;
  readonly #deps: IdleSweeperDeps;
  readonly #endRun: EndRun;
  readonly #held = new Map<string, number>();
  readonly #retries = new Map<string, { readonly at: number; readonly wait: number }>();
  readonly #timer: NodeJS.Timeout;

  constructor(registry: CapsuleRegistry, deps: IdleSweeperDeps, endRun: EndRun) {
    this.#registry = registry;
    this.#deps = deps;
    this.#endRun = endRun;
    this.#timer = setInterval(() => this.sweep(), TICK_MS);
    this.#timer.unref();
  }

  /** Something of the capsule is in use until the returned function is called. */
  hold(id: string): () => void {
    this.#held.set(id, (this.#held.get(id) ?? 0) + 1);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const left = (this.#held.get(id) ?? 1) - 1;
      if (left === 0) this.#held.delete(id);
      else this.#held.set(id, left);
      this.#registry.capsules.get(id)?.touch();
    };
  }

  /** Looks at every capsule once. */
  sweep(): void {
    const now = this.#deps.clock.now();
    for (const [id, capsule] of this.#registry.capsules) {
      if (capsule.state !== "running") continue;
      const over = now >= endOfRun(capsule);
      if (!over && !this.#isIdle(id, capsule, now)) continue;
      if (now < (this.#retries.get(id)?.at ?? 0)) continue;
      if (over) this.#deps.logger.info("capsule.lifetime_over", { capsule: id });
      const end = over ? (capsule.spec.onLifetimeEnd ?? "pause") : "pause";
      this.#registry.inBackground(id, "automatic_pause", () => this.#endAutomatically(id, end));
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #isIdle(id: string, capsule: Capsule, now: number): boolean {
    const { timeoutSec } = capsule.spec;
    if (timeoutSec === 0 || this.#held.has(id)) return false;
    if (capsule.running?.guest.inUse === true || this.#deps.connections.inUse(id)) {
      capsule.touch();
      return false;
    }
    return now - capsule.lastActiveAt >= timeoutSec * 1000;
  }

  async #endAutomatically(id: string, end: LifetimeEnd): Promise<void> {
    try {
      const outcome = await this.#registry.queue.tryRun(id, () => this.#endRun(id, end));
      if (outcome !== SKIPPED) this.#retries.delete(id);
    } catch (error) {
      const wait = Math.min(RETRY_MAX_MS, (this.#retries.get(id)?.wait ?? RETRY_MS / 2) * 2);
      this.#retries.set(id, { at: this.#deps.clock.now() + wait, wait });
      throw error;
    }
  }
}
