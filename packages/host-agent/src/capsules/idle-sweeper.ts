import type { CapsuleRegistry } from "./capsule-registry.ts";
import type { HostAgentDependencies } from "../dependencies.ts";
import { SKIPPED } from "@wrenn/core";

const TICK_MS = 1000;
/** A pause that failed is tried again after this long, and then after twice as long each time. */
const RETRY_MS = 10_000;
const RETRY_MAX_MS = 10 * 60_000;

/** Pauses capsules that nobody has used for as long as they allow. */
export class IdleSweeper {
  readonly #registry: CapsuleRegistry;
  readonly #deps: HostAgentDependencies;
  readonly #pause: (id: string) => Promise<unknown>;
  readonly #held = new Map<string, number>();
  readonly #retries = new Map<string, { readonly at: number; readonly wait: number }>();
  readonly #timer: NodeJS.Timeout;

  constructor(
    registry: CapsuleRegistry,
    deps: HostAgentDependencies,
    pause: (id: string) => Promise<unknown>,
  ) {
    this.#registry = registry;
    this.#deps = deps;
    this.#pause = pause;
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
      const capsule = this.#registry.capsules.get(id);
      if (capsule) capsule.lastActiveAt = this.#deps.clock.now();
    };
  }

  /** Looks at every capsule once. */
  sweep(): void {
    const now = this.#deps.clock.now();
    for (const [id, capsule] of this.#registry.capsules) {
      const { timeoutSec } = capsule.spec;
      if (timeoutSec === 0 || capsule.state !== "running" || this.#held.has(id)) continue;
      if (capsule.parts?.guest.inUse === true || this.#deps.connections.inUse(id)) {
        capsule.lastActiveAt = now;
        continue;
      }
      if (now - capsule.lastActiveAt < timeoutSec * 1000) continue;
      if (now < (this.#retries.get(id)?.at ?? 0)) continue;
      this.#registry.inBackground(id, "idle_pause", () => this.#pauseIdle(id));
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #pauseIdle(id: string): Promise<void> {
    try {
      const outcome = await this.#registry.queue.tryRun(id, () => this.#pause(id));
      if (outcome !== SKIPPED) this.#retries.delete(id);
    } catch (error) {
      const wait = Math.min(RETRY_MAX_MS, (this.#retries.get(id)?.wait ?? RETRY_MS / 2) * 2);
      this.#retries.set(id, { at: this.#deps.clock.now() + wait, wait });
      throw error;
    }
  }
}
