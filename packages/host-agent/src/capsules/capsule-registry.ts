import { KeyedQueue, problemOf, WrennError } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import type { CapsuleStatus } from "@wrenn/protocol";
import type { MachineStall } from "@wrenn/vmm";
import type { ConsoleKeeper } from "../console/console-keeper.ts";
import type { Disks } from "../disks/disks.ts";
import type { PortConnections } from "../host-agent-deps.ts";
import type { Machines } from "../machines/machines.ts";
import type { RunningMachine } from "../machines/running-machine.ts";
import type { MomentCache } from "../moments/moment-cache.ts";
import type { Capsule } from "./capsule.ts";

export interface CapsuleRegistryDeps {
  readonly logger: Logger;
  readonly machines: Pick<Machines<"release">, "slots" | "clocks">;
  readonly disks: Pick<Disks, "layers">;
  readonly consoles: Pick<ConsoleKeeper, "collect">;
  readonly connections: Pick<PortConnections, "end">;
  /** Disk layers that something other than a capsule needs. */
  readonly moments: Pick<MomentCache, "layersInUse">;
  /** Aborts when the host agent begins to end. */
  readonly ending: AbortSignal;
}

/** The capsules of this host. Foreground verbs are serialised per capsule by {@link queue}. */
export class CapsuleRegistry {
  readonly capsules = new Map<string, Capsule>();
  readonly queue = new KeyedQueue();
  readonly #deps: CapsuleRegistryDeps;
  readonly #observers = new Set<(status: CapsuleStatus) => void>();
  readonly #background = new Set<Promise<void>>();
  /** A machine that was parked is watched again when it runs again. */
  readonly #stallWatches = new WeakMap<RunningMachine["machine"], () => void>();

  constructor(deps: CapsuleRegistryDeps) {
    this.#deps = deps;
  }

  /** Aborts when the host agent begins to end: background work that takes long, or waits for a time, is given up. */
  get ending(): AbortSignal {
    return this.#deps.ending;
  }

  /** @throws WrennError `capsule_not_found`. */
  require(id: string): Capsule {
    const capsule = this.capsules.get(id);
    if (!capsule) throw new WrennError("capsule_not_found", {});
    return capsule;
  }

  /** @throws WrennError `capsule_busy` when there is a capsule with this id. */
  requireUnused(id: string): void {
    if (this.capsules.has(id)) throw new WrennError("capsule_busy", { operation: "create" });
  }

  observe(observer: (status: CapsuleStatus) => void): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }

  readonly announce = (status: CapsuleStatus): void => {
    this.#deps.logger.info("capsule.state", { capsule: status.id, state: status.state });
    for (const observer of this.#observers) observer(status);
  };

  /**
   * A machine that dies on its own leaves a failed capsule that holds nothing but its files. One that the host's full disk holds
   * up is announced, and again when it continues.
   */
  watchForDeath(capsule: Capsule): void {
    const { running } = capsule;
    if (!running) return;
    this.#watchForStalls(capsule, running);
    void running.machine.death.then((death) =>
      this.inBackground(capsule.id, "release", () =>
        this.queue.run(capsule.id, async () => {
          if (capsule.running !== running || capsule.state === "destroying") return;
          this.#deps.logger.error("capsule.machine_died", { capsule: capsule.id, problem: death.detail });
          this.#deps.connections.end(capsule.id);
          const incomplete = running.pages?.isComplete() === false;
          if (!incomplete) capsule.fail(`the capsule's machine died: ${death.detail}`);
          await using release = new AsyncDisposableStack();
          // Each is done although another fails; the process is dead, so that nothing uses the slot.
          release.defer(() => this.#deps.machines.slots.release(running.slot));
          // It was cut off from its own memory in the first moments after a resume: the frozen moment is as it was.
          if (incomplete) release.defer(() => capsule.fallBack());
          release.defer(() => running.pages?.stop());
          release.defer(() => running.machine.destroy());
          // Its last words go with its directory.
          release.defer(() => this.#deps.consoles.collect(capsule.directory));
          await running.guest.detach();
        }),
      ),
    );
  }

  #watchForStalls(capsule: Capsule, running: RunningMachine): void {
    const report = (stall: MachineStall | undefined): void => {
      if (capsule.running !== running) return;
      const { logger, machines } = this.#deps;
      if (stall)
        logger.error("capsule.stalled", { capsule: capsule.id, reason: stall.reason, path: stall.path });
      else {
        logger.info("capsule.continues", { capsule: capsule.id });
        // The time of the stall has not passed for its guest.
        machines.clocks.doubt(running.machine);
      }
      this.announce(capsule.status());
    };
    this.#stallWatches.get(running.machine)?.();
    this.#stallWatches.set(running.machine, running.machine.onStall(report));
    if (running.machine.stall) report(running.machine.stall);
  }

  /** Writes down that the machine's memory is complete, once it is. */
  watchPages(capsule: Capsule): void {
    const { running } = capsule;
    const { pages } = running ?? {};
    if (!pages) return;
    this.inBackground(capsule.id, "completion", async () => {
      await pages.ended;
      if (!pages.isComplete()) return;
      await this.queue.run(capsule.id, async () => {
        if (capsule.running !== running || capsule.state !== "running") return;
        const { served: _complete, ...kept } = capsule.record;
        await capsule.replace(kept);
      });
      await pages.stop();
    });
  }

  /** Work that no caller waits for; its failure is logged. */
  inBackground(id: string, what: string, work: () => Promise<void>): void {
    const running = work()
      .catch((error: unknown) => {
        this.#deps.logger.error(`capsule.${what}_failed`, { capsule: id, problem: problemOf(error) });
      })
      .finally(() => this.#background.delete(running));
    this.#background.add(running);
  }

  /** Waits for all background work that does not wait for something itself. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#background);
  }

  /** Removes disk layers that no capsule needs. */
  async collectLayers(): Promise<void> {
    await this.queue.run("layers", async () => {
      const removed = await this.#deps.disks.layers.collect(() => this.#layersInUse());
      if (removed.length > 0) this.#deps.logger.info("layers.collected", { count: removed.length });
    });
  }

  #layersInUse(): ReadonlySet<string> {
    const used = new Set(this.#deps.moments.layersInUse());
    for (const { record } of this.capsules.values())
      for (const { layers } of [record, ...record.generations]) for (const layer of layers) used.add(layer);
    return used;
  }
}
