import type { CapsuleRegistry } from "../capsule-registry.ts";
import type { Clock } from "@wrenn/core";
import type { HostAgentOptions } from "../../host-agent-deps.ts";
import { packable, packGenerations } from "./pack-generations.ts";
import type { PackGenerationsDeps } from "./pack-generations.ts";

const TICK_MS = 60_000;
const TICK_MIN_MS = 500;
/** Packing is given up after this; the next tick tries again. */
const PACK_MS = 10 * 60_000;

export interface PackingSweeperDeps extends PackGenerationsDeps {
  readonly clock: Clock;
}

/** Packs the memory of capsules that have been paused for long, one capsule at a time. */
export class PackingSweeper {
  readonly #registry: CapsuleRegistry;
  readonly #deps: PackingSweeperDeps;
  readonly #packAfterSec: number | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  #working = false;

  constructor(
    registry: CapsuleRegistry,
    deps: PackingSweeperDeps,
    { packAfterSec }: Pick<HostAgentOptions, "packAfterSec">,
  ) {
    this.#registry = registry;
    this.#deps = deps;
    this.#packAfterSec = packAfterSec;
    if (packAfterSec === undefined) return;
    const tick = Math.max(TICK_MIN_MS, Math.min(TICK_MS, packAfterSec * 250));
    this.#timer = setInterval(() => this.sweep(), tick);
    this.#timer.unref();
  }

  /** Begins to pack the first capsule that is due, unless one is being packed. */
  sweep(): void {
    const packAfterSec = this.#packAfterSec;
    if (this.#working || packAfterSec === undefined) return;
    const olderThan = this.#deps.clock.now() - packAfterSec * 1000;
    const due = [...this.#registry.capsules.values()].find((one) => packable(one, olderThan).length > 0);
    if (!due) return;
    this.#working = true;
    const { ending } = this.#registry;
    this.#registry.inBackground(due.id, "packing", async () => {
      try {
        await this.#registry.queue.tryRun(due.id, () =>
          packGenerations(
            due,
            olderThan,
            this.#deps,
            AbortSignal.any([ending, AbortSignal.timeout(PACK_MS)]),
          ),
        );
      } finally {
        this.#working = false;
      }
    });
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
