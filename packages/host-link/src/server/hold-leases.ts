import type { HostAgent } from "@wrenn/protocol";
import type { Lease } from "../wire/calls.ts";

interface Held {
  readonly release: () => void;
  timer: NodeJS.Timeout;
}

/** Holds of control planes elsewhere: each ends when it is not renewed, so that a dead control plane keeps nothing awake. */
export class HoldLeases {
  readonly #agent: HostAgent;
  readonly #held = new Map<string, Held>();

  constructor(agent: HostAgent) {
    this.#agent = agent;
  }

  keep([{ id, key, ms }]: Lease): void {
    const known = this.#held.get(key);
    if (ms === 0) {
      // Nobody may have heard of it: the use was so short that it ended with the same breath.
      if (known) this.#end(key, known);
      else this.#agent.hold(id)();
      return;
    }
    const timer = setTimeout(() => {
      const held = this.#held.get(key);
      if (held) this.#end(key, held);
    }, ms);
    timer.unref();
    if (known) {
      clearTimeout(known.timer);
      known.timer = timer;
    } else this.#held.set(key, { release: this.#agent.hold(id), timer });
  }

  close(): void {
    for (const [key, held] of this.#held) this.#end(key, held);
  }

  #end(key: string, held: Held): void {
    clearTimeout(held.timer);
    held.release();
    this.#held.delete(key);
  }
}
