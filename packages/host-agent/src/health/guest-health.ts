import { problemOf } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import type { Capsule } from "../capsules/capsule.ts";
import type { CapsuleRegistry } from "../capsules/capsule-registry.ts";
import type { RunningMachine } from "../machines/running-machine.ts";
import { addedDelay, readRunDelays } from "./run-delay.ts";
import type { RunDelays } from "./run-delay.ts";

const TICK_MS = 500;
/** The agent is asked for its version, which needs neither a worker nor a file, when its counters take longer than this. */
const PING_MS = 1000;
/** Silence after which a guest does not answer. The counters are asked for every 5 s at least, so it is noticed within 10 s. */
const SILENT_MS = 3000;
/** The time in which its machine waited for a processor is not silence of the guest; but only up to here. */
const LONGEST_MS = 30_000;

interface Pending {
  readonly running: RunningMachine;
  /** Answers of the guest when it was asked. */
  heard: number;
  silentMs: number;
  elapsedMs: number;
  delays: RunDelays | undefined;
  ping: AbortController | undefined;
}

export interface GuestHealthDeps {
  readonly clock: Pick<Clock, "monotonic">;
  readonly logger: Logger;
  /** For how long the threads of a machine have waited for a processor; by default as the kernel says. */
  readonly runDelays?: typeof readRunDelays;
}

/**
 * Notices guests that do not answer, and that they answer again. It has no traffic of its own: it watches the questions for counters,
 * and asks once more when one is not answered. What explains the silence is not held against the guest: an operation, a full disk of
 * the host, memory that is still on its way, time in which this process stood still, and time in which its machine had no processor.
 */
export class GuestHealth {
  readonly #registry: CapsuleRegistry;
  readonly #deps: GuestHealthDeps;
  readonly #pending = new Map<string, Pending>();
  readonly #timer: NodeJS.Timeout;
  #tickedAt: number;
  #ticking = false;

  constructor(registry: CapsuleRegistry, deps: GuestHealthDeps) {
    this.#registry = registry;
    this.#deps = deps;
    this.#tickedAt = deps.clock.monotonic();
    this.#timer = setInterval(() => void this.#run(), TICK_MS);
    this.#timer.unref();
  }

  /** The guest is about to be asked for its counters. */
  asked(capsule: Capsule): void {
    const { running, id } = capsule;
    if (!running || this.#pending.has(id)) return;
    this.#pending.set(id, {
      running,
      heard: running.guest.answers,
      silentMs: 0,
      elapsedMs: 0,
      delays: undefined,
      ping: undefined,
    });
  }

  /** The guest has answered. */
  answered(capsule: Capsule): void {
    this.#forget(capsule.id);
    if (capsule.state === "running") this.#set(capsule, "ok");
  }

  /** Whether it makes no sense to ask the guest for anything: the question that shows that it answers again is under way. */
  isSilent({ id }: Capsule): boolean {
    return this.#pending.get(id)?.ping !== undefined;
  }

  close(): void {
    clearInterval(this.#timer);
    for (const id of this.#pending.keys()) this.#forget(id);
  }

  async #run(): Promise<void> {
    const now = this.#deps.clock.monotonic();
    // A process that stood still has not listened.
    const passed = Math.min(now - this.#tickedAt, 2 * TICK_MS);
    this.#tickedAt = now;
    if (this.#ticking) return;
    this.#ticking = true;
    try {
      for (const [id, pending] of this.#pending) {
        const capsule = this.#registry.capsules.get(id);
        if (capsule?.state !== "running" || capsule.running !== pending.running) this.#forget(id);
        else await this.#look(capsule, pending, passed);
      }
    } catch (error) {
      this.#deps.logger.warn("health.unknown", { problem: problemOf(error) });
    } finally {
      this.#ticking = false;
    }
  }

  async #look(capsule: Capsule, pending: Pending, passed: number): Promise<void> {
    const { machine, guest, pages } = pending.running;
    if (guest.answers !== pending.heard) return this.answered(capsule);
    // An operation, the host's disk or the host's memory keeps it from answering.
    const { queue } = this.#registry;
    if (queue.busy(capsule.id) || guest.isSuspended || machine.stall || pages?.isComplete() === false) return;
    const delays = await (this.#deps.runDelays ?? readRunDelays)(machine.process.pid);
    const delay = pending.delays ? addedDelay(pending.delays, delays) : 0;
    pending.delays = delays;
    pending.elapsedMs += passed;
    pending.silentMs += Math.max(0, passed - delay);
    if (pending.elapsedMs >= PING_MS) this.#ping(capsule, pending);
    if (pending.silentMs >= SILENT_MS || pending.elapsedMs >= LONGEST_MS) this.#set(capsule, "not_answering");
  }

  /** One question, however long the guest takes to answer it: what it has to do later does not grow meanwhile. */
  #ping(capsule: Capsule, pending: Pending): void {
    if (pending.ping || pending.running.guest.isClosed) return;
    const ping = new AbortController();
    pending.ping = ping;
    capsule
      .unnoticed(() => pending.running.guest.info(ping.signal))
      .then(
        () => {
          if (this.#pending.get(capsule.id) === pending) this.answered(capsule);
        },
        (error: unknown) => {
          pending.ping = undefined;
          this.#deps.logger.debug("health.ping_failed", { capsule: capsule.id, problem: problemOf(error) });
        },
      );
  }

  #forget(id: string): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    pending?.ping?.abort(new Error("the guest need not answer"));
  }

  #set(capsule: Capsule, health: "ok" | "not_answering"): void {
    const before = capsule.health;
    if (before === health || capsule.state !== "running") return;
    capsule.health = health;
    if (health === "not_answering") {
      this.#deps.logger.warn("guest.not_answering", { capsule: capsule.id });
      capsule.running?.guest.greetAgain();
    } else if (before) this.#deps.logger.info("guest.answers", { capsule: capsule.id });
    // That a guest answers, as each does that has just started, is no news.
    if (before !== undefined || health === "not_answering") this.#registry.announce(capsule.status());
  }
}
