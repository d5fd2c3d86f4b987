import { defined, problemOf } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import type { GuestCounters } from "@wrenn/guest";
import type { Measurement, MeasurementQuery, MetricPoint, MetricRange } from "@wrenn/protocol";
import type { Capsule } from "../capsules/capsule.ts";
import { startOfRun } from "../capsules/capsule-record.ts";
import type { CapsuleRegistry } from "../capsules/capsule-registry.ts";
import { allocatedBytes } from "../disks/disks.ts";
import type { Disks } from "../disks/disks.ts";
import type { RunningMachine } from "../machines/running-machine.ts";
import { readInterfaceTraffic } from "./interface-traffic.ts";
import type { InterfaceTraffic } from "./interface-traffic.ts";
import { MetricTiers } from "./metric-tiers.ts";

const TICK_MS = 1000;
/** Between two measurements of a capsule that is neither used nor watched. */
const IDLE_MS = 5000;
/** A capsule counts as used for this long after its last use, and as watched for this long after the last question. */
const RECENT_MS = 10_000;
/**
 * A machine that has just started is measured after this, unless someone watches: under emulation the first measurement costs its guest
 * as much as a command, and the first commands of a capsule follow its start.
 */
const FIRST_MS = 2000;
/** Timers are a little early or late. */
const SLACK_MS = 100;
const ANSWER_MS = 4000;

interface Sampled {
  readonly tiers: MetricTiers;
  sampledAt: number;
  watchedUntil: number;
  isSampling: boolean;
  before?: {
    readonly busy: number;
    readonly total: number;
    readonly traffic: InterfaceTraffic | undefined;
    /** Counters of a device begin again with the next machine. */
    readonly running: RunningMachine;
  };
}

export interface MetricSamplerDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly disks: Pick<Disks, "layers">;
}

/** Others that look at capsules at the same times. */
export interface SampleObserver {
  /** Whether the guest need not be asked: it has not answered the last question. */
  readonly isSilent: (capsule: Capsule) => boolean;
  readonly onSample: (capsule: Capsule) => void;
  readonly onCounters: (capsule: Capsule, counters: GuestCounters) => void;
}

/**
 * Asks running guests for their counters: each second while a capsule is used or watched, otherwise every five. What a guest says is
 * clamped: it cannot claim more than it has.
 */
export class MetricSampler {
  readonly #registry: CapsuleRegistry;
  readonly #deps: MetricSamplerDeps;
  readonly #observer: SampleObserver;
  readonly #sampled = new Map<string, Sampled>();
  readonly #timer: NodeJS.Timeout;

  constructor(registry: CapsuleRegistry, deps: MetricSamplerDeps, observer: SampleObserver) {
    this.#registry = registry;
    this.#deps = deps;
    this.#observer = observer;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#timer.unref();
  }

  read(id: string, range: MetricRange): readonly MetricPoint[] {
    return this.#sampled.get(id)?.tiers.read(range, this.#now()) ?? [];
  }

  readSteps(id: string, { after, step, watch }: MeasurementQuery): readonly Measurement[] {
    if (watch) this.#of(id).watchedUntil = this.#deps.clock.monotonic() + RECENT_MS;
    return this.#sampled.get(id)?.tiers.readSteps(after, step, this.#now()) ?? [];
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    for (const id of this.#sampled.keys()) if (!this.#registry.capsules.has(id)) this.#sampled.delete(id);
    for (const capsule of this.#registry.capsules.values()) {
      if (capsule.state !== "running") continue;
      const sampled = this.#of(capsule.id);
      if (!this.#isDue(capsule, sampled)) continue;
      sampled.isSampling = true;
      sampled.sampledAt = this.#deps.clock.monotonic();
      this.#sample(capsule, sampled)
        .catch((error: unknown) => {
          this.#deps.logger.debug("metrics.sample_failed", {
            capsule: capsule.id,
            problem: problemOf(error),
          });
        })
        .finally(() => (sampled.isSampling = false));
    }
  }

  #isDue(capsule: Capsule, sampled: Sampled): boolean {
    const { clock } = this.#deps;
    const now = clock.monotonic();
    const isWatched = now < sampled.watchedUntil;
    const runsFor = clock.now() - startOfRun(capsule.record);
    // A clock that was set back says nothing.
    if (!isWatched && runsFor >= 0 && runsFor < FIRST_MS) return false;
    const isBusy = isWatched || clock.now() - capsule.lastActiveAt < RECENT_MS;
    return !sampled.isSampling && now - sampled.sampledAt >= (isBusy ? TICK_MS : IDLE_MS) - SLACK_MS;
  }

  async #sample(capsule: Capsule, sampled: Sampled): Promise<void> {
    const running = capsule.requireRunning();
    const { guest, machine, slot } = running;
    this.#observer.onSample(capsule);
    if (this.#observer.isSilent(capsule)) return;
    const counters = await capsule.unnoticed(() => guest.counters(AbortSignal.timeout(ANSWER_MS)));
    this.#observer.onCounters(capsule, counters);
    const traffic = await readInterfaceTraffic(machine.process.pid, slot.tap);
    const { before } = sampled;
    const { cpuBusyTicks: busy, cpuTotalTicks: total } = counters;
    sampled.before = { busy, total, traffic, running };
    const elapsed = before ? total - before.total : 0;
    const earlier = before?.running === running ? before.traffic : undefined;
    const passed = (side: keyof InterfaceTraffic): number =>
      traffic ? Math.max(0, traffic[side] - (earlier?.[side] ?? traffic[side])) : 0;
    sampled.tiers.add({
      timestamp: this.#now(),
      cpuPercent: before && elapsed > 0 ? clamp(((busy - before.busy) / elapsed) * 100, 100) : 0,
      cpuCount: capsule.spec.vcpus,
      ...memoryOf(counters, capsule.spec.memoryMib * 2 ** 20),
      ...diskOf(counters, capsule.spec.diskMib * 2 ** 20),
      diskBytes: await this.#diskBytes(capsule),
      networkInBytes: passed("inBytes"),
      networkOutBytes: passed("outBytes"),
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

  #of(id: string): Sampled {
    const known = this.#sampled.get(id);
    if (known) return known;
    const sampled: Sampled = {
      tiers: new MetricTiers(),
      sampledAt: -Infinity,
      watchedUntil: -Infinity,
      isSampling: false,
    };
    this.#sampled.set(id, sampled);
    return sampled;
  }

  /** Unix seconds. */
  #now(): number {
    return Math.floor(this.#deps.clock.now() / 1000);
  }
}

function memoryOf({ memoryTotal, memoryAvailable, memoryCached: cached }: GuestCounters, most: number) {
  const memoryTotalBytes = clamp(memoryTotal, most);
  const memoryCachedBytes = cached === undefined ? undefined : clamp(cached, most);
  const memoryBytes = clamp(memoryTotal - memoryAvailable, most);
  return { memoryBytes, memoryTotalBytes, ...defined({ memoryCachedBytes }) };
}

function diskOf({ diskTotal, diskUsed }: GuestCounters, most: number) {
  return { diskUsedBytes: clamp(diskUsed, most), diskTotalBytes: clamp(diskTotal, most) };
}

function clamp(value: number, most: number): number {
  return Number.isFinite(value) ? Math.min(most, Math.max(0, value)) : 0;
}
