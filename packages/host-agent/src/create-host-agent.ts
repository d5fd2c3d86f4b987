import { WrennError } from "@wrenn/core";
import type { CapsuleFiles, CapsuleProcesses, HostAgent, HostFacts } from "@wrenn/protocol";
import { connectTcp } from "@wrenn/system";
import { CapsuleDirectory } from "./capsules/capsule-directory.ts";
import { CapsuleRegistry } from "./capsules/capsule-registry.ts";
import { CapsuleVerbs } from "./capsules/capsule-verbs.ts";
import { IdleSweeper } from "./capsules/upkeep/idle-sweeper.ts";
import { recoverCapsules } from "./capsules/operations/recover-capsules.ts";
import type { HostAgentDeps, HostAgentOptions } from "./host-agent-deps.ts";

import { PackingSweeper } from "./capsules/upkeep/packing-sweeper.ts";
import { HostSweeper } from "./sweep/host-sweeper.ts";
import { MachinePool } from "./pool/machine-pool.ts";
import { MetricSampler } from "./metrics/metric-sampler.ts";

const DIAL_MS = 10_000;

/** What becomes of the capsules when the host agent ends. */
export type CapsulesAtEnd = "destroy" | "pause" | "leave";

/** A host agent that can be shut down. */
export interface RunningHostAgent extends HostAgent {
  /** Takes over what an earlier process left. Call it once, before anything else. */
  recover(signal: AbortSignal): Promise<void>;
  /**
   * Ends the host agent. With `destroy` nothing of any capsule is left; `pause` keeps capsules without machines; `leave` lets
   * machines run, for the next host agent to take over.
   */
  close(capsules: CapsulesAtEnd): Promise<void>;
}

/** Composes the host agent: the one owner of the capsules of this host. */
export function createHostAgent(deps: HostAgentDeps, options: HostAgentOptions): RunningHostAgent {
  const registry = new CapsuleRegistry(deps);
  const pool = new MachinePool(deps, options);
  const verbs = new CapsuleVerbs(registry, pool, { ...deps, ...options });
  const { capsules, queue } = registry;
  const closing = new AbortController();
  const sweeper = new IdleSweeper(registry, deps, (id) => verbs.pause(id, closing.signal));
  const packing = new PackingSweeper(registry, deps, options);
  const hostSweeper = new HostSweeper(deps.host.sweep, deps.logger);
  const sampler = new MetricSampler(registry, deps);
  const withClosing = (signal: AbortSignal): AbortSignal => AbortSignal.any([signal, closing.signal]);
  const inQueue = async <T>(id: string, work: () => Promise<T>): Promise<T> => {
    closing.signal.throwIfAborted();
    return await queue.run(id, work);
  };

  const deleteSnapshot = async (key: string): Promise<void> => {
    const dependants = [...capsules.values()].filter(({ record }) => record.template.hash === key);
    if (dependants.length > 0)
      throw new WrennError("template_in_use", { dependants: dependants.map(({ id }) => id).join(", ") });
    await pool.drop(key);
    await deps.templates.snapshots.remove(key);
  };

  const endAll = async (end: CapsulesAtEnd): Promise<void> => {
    const work = async (id: string): Promise<void> => {
      const capsule = capsules.get(id);
      if (!capsule) return;
      if (end === "destroy") await verbs.destroy(id);
      else if (end === "pause" && capsule.state === "running")
        await verbs.pause(id, AbortSignal.timeout(60_000));
      if (end !== "leave") return;
      // Without its page server a machine that is not complete would end.
      await capsule.running?.pages?.ended;
      await capsule.running?.guest.detach();
      await capsule.running?.machine.release();
    };
    const ends = await Promise.allSettled([...capsules.keys()].map((id) => queue.run(id, () => work(id))));
    await queue.drain();
    for (const one of ends) if (one.status === "rejected") throw one.reason;
  };

  return {
    facts: async (): Promise<HostFacts> => deps.host.facts,
    createCapsule: (spec, signal) => inQueue(spec.id, () => verbs.create(spec, withClosing(signal))),
    destroyCapsule: (id) => inQueue(id, () => verbs.destroy(id)),
    pauseCapsule: (id, signal) => inQueue(id, () => verbs.pause(id, withClosing(signal))),
    resumeCapsule: (id, signal) => inQueue(id, () => verbs.resume(id, withClosing(signal))),
    checkpointCapsule: (id, name, signal) =>
      inQueue(id, () => verbs.checkpoint(id, name, withClosing(signal))),
    listCheckpoints: async (id) => verbs.checkpoints(id),
    restoreCheckpoint: (id, checkpoint, signal) =>
      inQueue(id, () => verbs.restore(id, checkpoint, withClosing(signal))),
    deleteCheckpoint: (id, checkpoint) => inQueue(id, () => verbs.deleteCheckpoint(id, checkpoint)),
    forkCapsule: (id, children, signal) => inQueue(id, () => verbs.fork(id, children, withClosing(signal))),
    createSnapshot: (id, key, signal) => inQueue(id, () => verbs.snapshot(id, key, withClosing(signal))),
    deleteSnapshot,
    setNetwork: (id, network, signal) =>
      inQueue(id, () => verbs.setNetwork(id, network, withClosing(signal))),
    networkDecisions: async (id, signal) =>
      await deps.machines.slots.decisions(registry.require(id).requireRunning().slot, withClosing(signal)),
    hold: (id) => sweeper.hold(id),
    metrics: async (id, range) => {
      registry.require(id);
      return sampler.read(id, range);
    },
    capsule: async (id) => registry.require(id).status(),
    listCapsules: async () => [...capsules.values()].map((capsule) => capsule.status()),
    processes: (id): CapsuleProcesses => registry.require(id).requireRunning().guest.processes,
    files: (id): CapsuleFiles => registry.require(id).requireRunning().guest.files,
    listTemplates: () => deps.templates.source.list(),
    dial: async (id, port, { halfOpen, signal }) => {
      const { hostAddress: address } = registry.require(id).requireRunning().slot;
      return await connectTcp({ address, port, halfOpen }, DIAL_MS, withClosing(signal));
    },
    onChange: (observer) => registry.observe(observer),
    close: async (end) => {
      sweeper.close();
      packing.close();
      await hostSweeper.close();
      sampler.close();
      closing.abort(new WrennError("host_unavailable", {}));
      try {
        await pool.close();
        await endAll(end);
      } finally {
        await registry.settled();
        await deps.machines.slots.close();
      }
    },
    recover: async (signal) => {
      await deps.disks.layers.open();
      await deps.templates.snapshots.open();
      for (const capsule of await recoverCapsules({ ...deps, ...options }, registry.announce, signal)) {
        capsules.set(capsule.id, capsule);
        registry.watchForDeath(capsule);
      }
      // What a capsule that could not be read needs is not known, so nothing is taken away then.
      const directories = await CapsuleDirectory.list(options.capsulesDirectory);
      if (directories.some((id) => !capsules.has(id))) return;
      await registry.collectLayers();
      const dependants = [...capsules.values()].map(({ record }) => record.template);
      await deps.templates.bases.collect([...dependants, ...deps.templates.snapshots.list()]);
    },
  };
}
