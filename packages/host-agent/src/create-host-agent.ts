import { abortable, WrennError } from "@wrenn/core";
import type {
  CapsuleFiles,
  CapsuleProcesses,
  HostAgent,
  HostFacts,
  HostStorage,
  LifetimeEnd,
  SettingsChange,
  IdleMachines,
} from "@wrenn/protocol";
import { connectTcp } from "@wrenn/system";
import { CapsuleDirectory } from "./capsules/capsule-directory.ts";
import { CapsuleRegistry } from "./capsules/capsule-registry.ts";
import { findIncompatible } from "./capsules/incompatible-capsules.ts";
import type { IncompatibleCapsules } from "./capsules/incompatible-capsules.ts";
import { changeSettings } from "./capsules/operations/change-settings.ts";
import { cacheMoment } from "./capsules/operations/cache-moment.ts";
import { checkpointCapsule } from "./capsules/operations/checkpoint-capsule.ts";
import { deleteCheckpoint, listCheckpoints } from "./capsules/operations/checkpoints.ts";
import { createCapsule } from "./capsules/operations/create-capsule.ts";
import { releaseMachine } from "./capsules/operations/release-machine.ts";
import { destroyCapsule } from "./capsules/operations/destroy-capsule.ts";
import { forkCapsule } from "./capsules/operations/fork-capsule.ts";
import { pauseCapsule } from "./capsules/operations/pause-capsule.ts";
import { pauseToDisk } from "./capsules/operations/pause-to-disk.ts";
import { recoverCapsules } from "./capsules/operations/recover-capsules.ts";
import { restoreCheckpoint } from "./capsules/operations/restore-checkpoint.ts";
import { bootCapsule, resumeCapsule } from "./capsules/operations/resume-capsule.ts";
import { snapshotCapsule } from "./capsules/operations/snapshot-capsule.ts";
import { noteStarts, withDefaults } from "./capsules/process-defaults.ts";
import { ClockKeeper } from "./capsules/upkeep/clock-keeper.ts";
import { DiskGuard } from "./capsules/upkeep/disk-guard.ts";
import { IdleSweeper } from "./capsules/upkeep/idle-sweeper.ts";
import { PackingSweeper } from "./capsules/upkeep/packing-sweeper.ts";
import { ConsoleKeeper } from "./console/console-keeper.ts";
import { openCopies } from "./copies/open-copies.ts";
import { asDiskFull } from "./disks/full-disk.ts";
import { measureStorage } from "./disks/storage-report.ts";
import { GuestHealth } from "./health/guest-health.ts";
import { GuestShortages } from "./health/guest-shortages.ts";
import type { HostAgentDeps, HostAgentOptions } from "./host-agent-deps.ts";
import { ListenerWatch } from "./listeners/listener-watch.ts";
import { holdMachines } from "./machines/hold-machines.ts";
import { MachineStarts } from "./machines/machine-starts.ts";
import { MetricSampler } from "./metrics/metric-sampler.ts";
import { ParkedMachines } from "./parked/parked-machines.ts";
import { slotsOverParked } from "./parked/slots-over-parked.ts";
import { MachinePool } from "./pool/machine-pool.ts";
import type { PoolShape } from "./pool/prepare-machine.ts";
import { RequestActivity } from "./pool/request-activity.ts";
import type { FrozenTemplate } from "./templates/frozen-template.ts";
import { HostSweeper } from "./sweep/host-sweeper.ts";

const DIAL_MS = 10_000;

/** What happens to the capsules when the host agent ends. */
export type CapsulesAtEnd = "destroy" | "pause" | "leave";

/** A host agent that can be shut down. */
export interface RunningHostAgent extends HostAgent {
  /** Takes over what an earlier process left. Call it once, before anything else. */
  recover(signal: AbortSignal): Promise<void>;
  /** Keeps a machine of this template waiting also before the first capsule of it; where none wait by the options it does nothing. */
  expect(shape: PoolShape): void;
  /** Removes frozen templates that no capsule has: of earlier packages, and of sizes beyond the number that is kept. */
  removeUnusedTemplates(): Promise<void>;
  /** What waits for capsules. */
  waitingMachines(): Promise<IdleMachines>;
  /** The machines of paused capsules that are kept until their memory is needed. */
  parkedMachines(): Promise<IdleMachines>;
  /** Paused capsules that this host cannot resume. */
  incompatibleCapsules(signal: AbortSignal): Promise<IncompatibleCapsules>;
  /**
   * Ends the host agent. With `destroy` nothing of any capsule is left; `pause` keeps capsules without machines; `leave` lets
   * machines run, for the next host agent to take over.
   */
  close(capsules: CapsulesAtEnd): Promise<void>;
}

/** Composes the host agent: the one owner of the capsules of this host. */
export function createHostAgent(deps: HostAgentDeps, options: HostAgentOptions): RunningHostAgent {
  const machines = {
    ...deps.machines,
    ...holdMachines(deps.machines.hypervisor, deps),
    slots: slotsOverParked(deps.machines.slots, () => parked, deps.clock),
    starts: new MachineStarts(deps.host.facts.cpuCores, deps.clock),
  };
  const closing = new AbortController();
  const consoles = new ConsoleKeeper(deps);
  const registry = new CapsuleRegistry({ ...deps, machines, consoles, ending: closing.signal });
  const activity = new RequestActivity({
    clock: deps.clock,
    cpuCores: deps.host.facts.cpuCores,
    ...(options.warmWhenIdle ? { cpuIdleMs: deps.host.cpuIdleMs } : {}),
  });
  // What no one waits for takes no slot of a parked machine.
  const pool = new MachinePool(
    { ...deps, machines: { ...machines, slots: deps.machines.slots }, activity },
    options,
  );
  const releaseDeps = { ...deps, machines, consoles, registry };
  const parked: ParkedMachines = new ParkedMachines(
    { ...deps, release: (capsule, one) => releaseMachine(capsule, one, releaseDeps) },
    options,
  );
  const operationDeps = { ...deps, ...options, machines, consoles, registry, pool, parked };
  const { capsules, queue } = registry;
  const ends: Readonly<Record<LifetimeEnd, (id: string) => Promise<unknown>>> = {
    pause: (id) => pauseCapsule(id, operationDeps, closing.signal),
    pause_disk: (id) => pauseToDisk(id, operationDeps, closing.signal),
    destroy: (id) => destroyCapsule(id, operationDeps),
  };
  const sweeper = new IdleSweeper(registry, deps, (id, end) => ends[end](id));
  const clockKeeper = new ClockKeeper(registry, operationDeps);
  const packing = new PackingSweeper(registry, deps, options);
  const storage = async (): Promise<HostStorage> =>
    await (deps.measureStorage ?? measureStorage)(capsules.values(), deps.disks.layers);
  const diskGuard = new DiskGuard(registry, { ...deps, storage });
  const hostSweeper = new HostSweeper(deps.host.sweep, deps.logger);
  const listeners = new ListenerWatch(registry, deps);
  const health = new GuestHealth(registry, deps);
  const shortages = new GuestShortages(registry, deps);
  const sampler = new MetricSampler(registry, deps, {
    isSilent: (capsule) => health.isSilent(capsule),
    onSample: (capsule) => {
      void consoles.collect(capsule.directory);
      health.asked(capsule);
    },
    onCounters: (capsule, counters) => {
      health.answered(capsule);
      listeners.noteCounters(capsule, counters);
      shortages.noteCounters(capsule, counters);
    },
  });
  const withClosing = (signal: AbortSignal): AbortSignal => AbortSignal.any([signal, closing.signal]);
  const inQueue = async <T>(id: string, work: () => Promise<T>): Promise<T> => {
    closing.signal.throwIfAborted();
    using _request = activity.begin();
    try {
      return await queue.run(id, work);
    } catch (error) {
      throw asDiskFull(error, options.capsulesDirectory);
    }
  };

  /** The same for an operation after which more machines run. */
  const inQueueStarting = async <T>(id: string, work: () => Promise<T>, count = 1): Promise<T> => {
    const needMib = count * (capsules.get(id)?.spec.memoryMib ?? 0);
    await parked.makeRoom(needMib, id);
    pool.makeRoom(needMib);
    return await inQueue(id, work);
  };

  const settings = (id: string, change: SettingsChange, signal: AbortSignal): Promise<void> =>
    inQueue(id, () => changeSettings(registry.require(id), change, operationDeps, withClosing(signal)));

  const deleteSnapshot = async (key: string): Promise<void> => {
    await copies.abandon(key);
    const dependants = [...capsules.values()].filter(({ record }) => record.template.hash === key);
    if (dependants.length > 0)
      throw new WrennError("template_in_use", { dependants: dependants.map(({ id }) => id).join(", ") });
    await pool.drop(key);
    // What was kept of its capsules begins with its files.
    await deps.moments.remove(({ template }) => template.hash === key);
    await deps.templates.snapshots.remove(key);
  };

  /** Templates of creates under way, which no capsule names yet. */
  const held = new Map<symbol, FrozenTemplate>();
  const templatesInUse = (): readonly FrozenTemplate[] => [
    ...[...capsules.values()].map(({ record }) => record.template),
    ...deps.templates.snapshots.list(),
    ...deps.moments.list().map(({ template }) => template),
    ...held.values(),
  ];
  const { copies, exports } = openCopies({ ...deps, machines, used: templatesInUse });
  const removeUnusedTemplates = async (): Promise<void> => {
    const used = templatesInUse();
    await deps.templates.source.removeUnused(
      // Also while a template that was made of its capsules has files of it.
      (template) => deps.templates.bases.isNeeded(template, used),
      async (template) => {
        await pool.drop(template.hash);
        await deps.templates.bases.remove(template, templatesInUse);
        deps.logger.info("template.shape_removed", { template: template.name, ...template.shape });
      },
    );
    await deps.copyFiles.images.collect(templatesInUse());
    await deps.images.trim(new Set(used.map(({ name }) => name)));
  };

  const endAll = async (end: CapsulesAtEnd): Promise<void> => {
    const work = async (id: string): Promise<void> => {
      const capsule = capsules.get(id);
      if (!capsule) return;
      if (end === "destroy") await destroyCapsule(id, operationDeps);
      else if (end === "pause" && capsule.state === "running")
        await pauseCapsule(id, operationDeps, AbortSignal.timeout(60_000));
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
    createCapsule: async (spec, signal) => {
      const create = Symbol(spec.id);
      const hold = (template: FrozenTemplate): void => void held.set(create, template);
      try {
        await parked.makeRoom(spec.memoryMib);
        return await inQueue(spec.id, () => createCapsule(spec, hold, operationDeps, withClosing(signal)));
      } finally {
        held.delete(create);
        // Also after a failure: its template may have been frozen.
        registry.inBackground(spec.id, "template_removal", removeUnusedTemplates);
      }
    },
    destroyCapsule: async (id) => {
      await inQueue(id, () => destroyCapsule(id, operationDeps));
      registry.inBackground(id, "template_removal", removeUnusedTemplates);
    },
    pauseCapsule: (id, signal) => inQueue(id, () => pauseCapsule(id, operationDeps, withClosing(signal))),
    resumeCapsule: (id, signal) =>
      inQueueStarting(id, () => resumeCapsule(id, operationDeps, withClosing(signal))),
    pauseToDisk: (id, signal) => inQueue(id, () => pauseToDisk(id, operationDeps, withClosing(signal))),
    bootCapsule: (id, signal) =>
      inQueueStarting(id, () => bootCapsule(id, operationDeps, withClosing(signal))),
    checkpointCapsule: (id, name, signal) =>
      inQueue(id, () => checkpointCapsule(id, name, operationDeps, withClosing(signal))),
    listCheckpoints: async (id) => listCheckpoints(id, operationDeps),
    restoreCheckpoint: (id, checkpoint, signal) =>
      inQueue(id, () => restoreCheckpoint(id, checkpoint, operationDeps, withClosing(signal))),
    deleteCheckpoint: (id, checkpoint) => inQueue(id, () => deleteCheckpoint(id, checkpoint, operationDeps)),
    forkCapsule: (id, children, signal) =>
      inQueueStarting(
        id,
        () => forkCapsule(id, children, { isEach: false }, operationDeps, withClosing(signal)),
        children.length,
      ),
    forkEach: (id, children, signal) =>
      inQueueStarting(
        id,
        () => forkCapsule(id, children, { isEach: true }, operationDeps, withClosing(signal)),
        children.length,
      ),
    createSnapshot: (id, template, signal) =>
      inQueue(id, () => snapshotCapsule(id, template, operationDeps, withClosing(signal))),
    deleteSnapshot: async (key) => {
      await deleteSnapshot(key);
      registry.inBackground(key, "template_removal", removeUnusedTemplates);
    },
    describeTemplate: (key, signal) => exports.describe(key, withClosing(signal)),
    readTemplatePart: (range, signal) => exports.read(range, withClosing(signal)),
    beginTemplateCopy: (manifest, signal) => copies.begin(manifest, withClosing(signal)),
    writeTemplatePart: (range, content, signal) => copies.write(range, content, withClosing(signal)),
    finishTemplateCopy: (key, signal) => copies.finish(key, withClosing(signal)),
    abandonTemplateCopy: (key) => copies.abandon(key),
    cacheMoment: (id, moment, signal) =>
      inQueue(id, () => cacheMoment(id, moment, operationDeps, withClosing(signal))),
    cachedMoments: async (keys) => keys.filter((key) => deps.moments.has(key)),
    dropMoments: async (keys) => {
      await deps.moments.remove(({ key }) => keys.includes(key));
      await registry.collectLayers();
      await removeUnusedTemplates();
    },
    receiveImage: (id, content, signal) => deps.images.receive(id, content, withClosing(signal)),
    dropImage: (id) => deps.images.drop(id),
    importImage: (request, signal) => deps.images.import(request, withClosing(signal)),
    importProgress: async (id) => deps.images.progress(id),
    setNetwork: (id, network, signal) => settings(id, { network }, signal),
    changeSettings: settings,
    networkDecisions: async (id, signal) =>
      await deps.machines.slots.decisions(registry.require(id).requireRunning().slot, withClosing(signal)),
    hold: (id) => sweeper.hold(id),
    metrics: async (id, range) => {
      registry.require(id);
      return sampler.read(id, range);
    },
    measurements: async (id, query) => {
      registry.require(id);
      return sampler.readSteps(id, query);
    },
    listeners: async (id, signal) => await abortable(signal, listeners.read(registry.require(id))),
    onListeners: (observer) => listeners.observe(observer),
    consoleLog: async (id, from) => await consoles.read(registry.require(id).directory, from),
    capsule: async (id) => registry.require(id).status(),
    listCapsules: async () => [...capsules.values()].map((capsule) => capsule.status()),
    processes: (id): CapsuleProcesses => {
      const capsule = registry.require(id);
      return noteStarts(withDefaults(capsule.requireRunning().guest.processes, capsule.spec), activity);
    },
    files: (id): CapsuleFiles => registry.require(id).requireRunning().guest.files,
    storage,
    allowWaiting: async (allowed) => {
      pool.allow(allowed);
      return await pool.measure();
    },
    listTemplates: () => deps.templates.source.list(),
    dial: async (id, port, { halfOpen, signal }) => {
      const { hostAddress: address } = registry.require(id).requireRunning().slot;
      return await connectTcp({ address, port, halfOpen }, DIAL_MS, withClosing(signal));
    },
    onChange: (observer) => registry.observe(observer),
    close: async (end) => {
      sweeper.close();
      clockKeeper.close();
      packing.close();
      diskGuard.close();
      await hostSweeper.close();
      sampler.close();
      health.close();
      listeners.close();
      closing.abort(new WrennError("host_unavailable", {}));
      try {
        await Promise.all([pool.close(), parked.close()]);
        await endAll(end);
      } finally {
        await Promise.all([registry.settled(), deps.images.settled(), copies.close()]);
        await deps.machines.slots.close();
      }
    },
    waitingMachines: () => pool.measure(),
    parkedMachines: () => parked.measure(),
    expect: (shape) => pool.expect(shape),
    removeUnusedTemplates,
    incompatibleCapsules: async (signal) =>
      findIncompatible(capsules.values(), await deps.machines.hypervisor.identity(signal)),
    recover: async (signal) => {
      await deps.disks.layers.open();
      await deps.templates.snapshots.open();
      await deps.copyFiles.images.open();
      await deps.moments.open();
      await deps.images.open();
      for (const capsule of await recoverCapsules(operationDeps, registry.announce, signal)) {
        capsules.set(capsule.id, capsule);
        registry.watchForDeath(capsule);
      }
      // What a capsule that could not be read needs is not known, so nothing is taken away then.
      const directories = await CapsuleDirectory.list(options.capsulesDirectory);
      if (directories.some((id) => !capsules.has(id))) return;
      await registry.collectLayers();
      await deps.templates.bases.collect(templatesInUse());
      await deps.copyFiles.images.collect(templatesInUse());
    },
  };
}
