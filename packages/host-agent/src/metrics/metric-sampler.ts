import { problemOf } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import type { MetricPoint, MetricRange } from "@wrenn/protocol";
import type { Capsule } from "../capsules/capsule.ts";
import type { CapsuleRegistry } from "../capsules/capsule-registry.ts";
import { allocatedBytes } from "../disks/disks.ts";
import type { Disks } from "../disks/disks.ts";
import { MetricTiers } from "./metric-tiers.ts";

const TICK_MS = 5000;
const ANSWER_MS = 4000;

interface Ticks {
  readonly busy: number;
  readonly total: number;
}

export interface MetricSamplerDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly disks: Pick<Disks, "layers">;
}

/** Asks every running guest for its counters now and then. What a guest says is clamped: it cannot claim more than it has. */
export class MetricSampler {
  readonly #registry: CapsuleRegistry;
  readonly #deps: MetricSamplerDeps;
  readonly #tiers = new Map<string, MetricTiers>();
  readonly #ticks = new Map<string, Ticks>();
  readonly #timer: NodeJS.Timeout;

  constructor(registry: CapsuleRegistry, deps: MetricSamplerDeps) {
    this.#registry = registry;
    this.#deps = deps;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#timer.unref();
  }

  read(id: string, range: MetricRange): readonly MetricPoint[] {
    return this.#tiers.get(id)?.read(range, this.#deps.clock.now() / 1000) ?? [];
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    for (const id of this.#tiers.keys()) {
      if (this.#registry.capsules.has(id)) continue;
      this.#tiers.delete(id);
      this.#ticks.delete(id);
    }
    for (const capsule of this.#registry.capsules.values()) {
      if (capsule.state !== "running") continue;
      this.#sample(capsule).catch((error: unknown) => {
        this.#deps.logger.debug("metrics.sample_failed", { capsule: capsule.id, problem: problemOf(error) });
      });
    }
  }

  async #sample(capsule: Capsule): Promise<void> {
    const { guest } = capsule.requireRunning();
    const counters = await capsule.unnoticed(() => guest.counters(AbortSignal.timeout(ANSWER_MS)));
    const now: Ticks = { busy: counters.cpuBusyTicks, total: counters.cpuTotalTicks };
    const before = this.#ticks.get(capsule.id);
    this.#ticks.set(capsule.id, now);
    const elapsed = before ? now.total - before.total : 0;
    const busy = before && elapsed > 0 ? ((now.busy - before.busy) / elapsed) * 100 : 0;
    const tiers = this.#tiers.get(capsule.id) ?? new MetricTiers();
    this.#tiers.set(capsule.id, tiers);
    tiers.add({
      timestamp: Math.floor(this.#deps.clock.now() / 1000),
      cpuPercent: clamp(busy, 100),
      memoryBytes: clamp(counters.memoryTotal - counters.memoryAvailable, capsule.spec.memoryMib * 2 ** 20),
      diskBytes: await this.#diskBytes(capsule),
    });
  }

  /** What the capsule's own disk layers occupy on the host. */
  async #diskBytes(capsule: Capsule): Promise<number> {
    const { record, directory } = capsule;
    return await allocatedBytes([
      directory.overlay(record.overlay),
      ...record.layers.map((id) => this.#deps.disks.layers.path(id)),
    ]);
  }
}

function clamp(value: number, most: number): number {
  return Number.isFinite(value) ? Math.min(most, Math.max(0, value)) : 0;
}
