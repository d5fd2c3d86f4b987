import { WrennError } from "@wrenn/core";
import type {
  CapsuleSpec,
  CapsuleStatus,
  CheckpointFacts,
  NetworkRules,
  TemplateFacts,
} from "@wrenn/protocol";
import type { HostAgentDeps, HostAgentOptions } from "../host-agent-deps.ts";
import type { Generation } from "../generations/generation.ts";
import type { MachinePool } from "../pool/machine-pool.ts";
import type { PreparedMachine } from "../machines/running-machine.ts";
import { Capsule } from "./capsule.ts";
import { CapsuleDirectory } from "./capsule-directory.ts";
import type { CapsuleRegistry } from "./capsule-registry.ts";
import { checkpointCapsule } from "./operations/checkpoint-capsule.ts";
import { compactLayers } from "./upkeep/compact-layers.ts";
import { createCapsule, newRecord } from "./operations/create-capsule.ts";
import type { Parent } from "./operations/create-capsule.ts";
import { releaseCapsule } from "./operations/destroy-capsule.ts";
import { pauseCapsule } from "./operations/pause-capsule.ts";
import { inParallel } from "./operations/in-parallel.ts";
import { resumeCapsule } from "./operations/resume-capsule.ts";
import { snapshotCapsule } from "./operations/snapshot-capsule.ts";
import { journalOf } from "./operations/start-machine.ts";
import { dropOldPauses, verifyNew } from "./upkeep/settle-generations.ts";

/** Compacting a disk is given up after this; the next pause tries again. */
const COMPACT_MS = 10 * 60_000;

/** What can be done to a capsule. Every verb runs in the capsule's queue; callers of this class see to that. */
export class CapsuleVerbs {
  readonly #registry: CapsuleRegistry;
  readonly #pool: MachinePool;
  readonly #deps: HostAgentDeps & Pick<HostAgentOptions, "capsulesDirectory">;

  constructor(
    registry: CapsuleRegistry,
    pool: MachinePool,
    deps: HostAgentDeps & Pick<HostAgentOptions, "capsulesDirectory">,
  ) {
    this.#registry = registry;
    this.#pool = pool;
    this.#deps = deps;
  }

  async create(spec: CapsuleSpec, signal: AbortSignal): Promise<CapsuleStatus> {
    const template = await this.#deps.templates.source.frozen(spec.template, spec, signal);
    this.#refuseTaken(spec.id);
    const present = await this.#deps.machines.hypervisor.identity(signal);
    const { hypervisor: saved = present } = template;
    if (saved !== present) throw new WrennError("snapshot_incompatible", { saved, present });
    // A snapshot has the sizes that it was frozen with.
    const prepared = this.#pool.take({ template, diskMib: spec.diskMib });
    return await this.#create(
      { ...spec, ...template.shape },
      newRecordOf(template),
      prepared ? { prepared } : {},
      signal,
    );
  }

  async pause(id: string, signal: AbortSignal): Promise<CapsuleStatus> {
    const capsule = this.#registry.require(id);
    const running = capsule.requireRunning();
    await pauseCapsule(capsule, running, this.#deps, signal);
    this.#registry.inBackground(id, "slot_release", () => this.#deps.machines.slots.release(running.slot));
    const generation = capsule.currentGeneration();
    this.#registry.inBackground(id, "verification", async () => {
      await verifyNew(capsule, generation);
      await this.#registry.queue.run(id, async () => {
        await dropOldPauses(capsule);
        await compactLayers(capsule, this.#deps, AbortSignal.timeout(COMPACT_MS));
      });
      await this.#registry.collectLayers();
    });
    return capsule.status();
  }

  async resume(id: string, signal: AbortSignal): Promise<CapsuleStatus> {
    const capsule = this.#registry.require(id);
    if (capsule.state !== "paused")
      throw new WrennError("capsule_not_paused", { status: capsule.publicState() });
    return await this.#resume(capsule, capsule.currentGeneration(), signal);
  }

  async checkpoint(id: string, name: string | undefined, signal: AbortSignal): Promise<CheckpointFacts> {
    const capsule = this.#registry.require(id);
    const { generation, stoppedMs } = await checkpointCapsule(
      capsule,
      capsule.requireRunning(),
      { kind: "checkpoint", ...(name === undefined ? {} : { name }) },
      this.#deps,
      signal,
    );
    this.#registry.inBackground(id, "verification", () => verifyNew(capsule, generation));
    return { ...factsOf(generation), stoppedMs };
  }

  checkpoints(id: string): readonly CheckpointFacts[] {
    const { generations } = this.#registry.require(id).record;
    return generations
      .filter(({ kind }) => kind !== "fork")
      .map(factsOf)
      .toReversed();
  }

  /** A failure after the machine is gone leaves the capsule paused at the chosen generation. */
  async restore(id: string, checkpoint: string, signal: AbortSignal): Promise<CapsuleStatus> {
    const capsule = this.#registry.require(id);
    const generation = capsule.generation(checkpoint);
    const { running } = capsule;
    if (capsule.state !== "paused") capsule.requireRunning();
    // The link's streams belong to a future that is being given up.
    await running?.guest.detach();
    await capsule.suspended?.detach();
    capsule.suspended = undefined;
    const { slot: _released, served: _incomplete, ...kept } = capsule.record;
    await capsule.replace({ ...kept, state: "paused", current: generation.id, layers: generation.layers });
    capsule.enter("paused");
    await running?.machine.destroy();
    await running?.pages?.stop();
    if (running) await this.#deps.machines.slots.release(running.slot);
    await capsule.directory.tidy(capsule.record);
    return await this.#resume(capsule, generation, signal);
  }

  async deleteCheckpoint(id: string, checkpoint: string): Promise<void> {
    const capsule = this.#registry.require(id);
    const generation = capsule.generation(checkpoint);
    if (capsule.state === "paused" && capsule.record.current === generation.id)
      throw new WrennError("checkpoint_in_use", { checkpoint });
    await capsule.dropGenerations((candidate) => candidate === generation);
    await this.#registry.collectLayers();
  }

  async fork(
    id: string,
    children: readonly CapsuleSpec[],
    signal: AbortSignal,
  ): Promise<readonly CapsuleStatus[]> {
    const source = this.#registry.require(id);
    const step = journalOf("fork", source, this.#deps, signal);
    await step("capture");
    const { generation } = await checkpointCapsule(
      source,
      source.requireRunning(),
      { kind: "fork" },
      this.#deps,
      signal,
    );
    const parent = { files: source.directory.generation(generation.id), layers: generation.layers };
    const make = newRecordOf(source.record.template);
    try {
      await step("children");
      const started = await inParallel(children, this.#deps.host.facts.cpuCores, async (child) =>
        this.#registry.queue.run(child.id, () =>
          this.#create({ ...child, ...source.record.template.shape }, make, { parent }, signal),
        ),
      );
      await step("drop");
      return started;
    } catch (error) {
      await Promise.allSettled(
        children.map(({ id: child }) => this.#registry.queue.run(child, () => this.destroy(child))),
      );
      throw error;
    } finally {
      await source.dropGenerations((candidate) => candidate === generation);
      await source.directory.writeJournal({ operation: "none", at: this.#deps.clock.now() });
    }
  }

  async snapshot(id: string, key: string, signal: AbortSignal): Promise<TemplateFacts> {
    const template = await snapshotCapsule(this.#registry.require(id), key, this.#deps, signal);
    return { name: key, sizeBytes: template.sizeBytes, ...template.shape };
  }

  async setNetwork(id: string, network: NetworkRules, signal: AbortSignal): Promise<void> {
    const capsule = this.#registry.require(id);
    const { running } = capsule;
    if (running) await this.#deps.machines.slots.applyPolicy(running.slot, network, signal);
    await capsule.save({ spec: { ...capsule.spec, network } });
  }

  async destroy(id: string): Promise<void> {
    const capsule = this.#registry.capsules.get(id);
    if (!capsule) return;
    const { running } = capsule;
    capsule.enter("destroying", running);
    await releaseCapsule(capsule, running, this.#deps);
    this.#registry.capsules.delete(id);
    this.#deps.connections.reset(id);
    capsule.enter("gone");
    this.#registry.inBackground(id, "layers", () => this.#registry.collectLayers());
  }

  #refuseTaken(id: string): void {
    if (this.#registry.capsules.has(id)) throw new WrennError("capsule_busy", { operation: "create" });
  }

  async #create(
    spec: CapsuleSpec,
    recordOf: RecordOf,
    from: { readonly parent?: Parent; readonly prepared?: PreparedMachine },
    signal: AbortSignal,
  ): Promise<CapsuleStatus> {
    const { capsules, announce } = this.#registry;
    this.#refuseTaken(spec.id);
    const directory = new CapsuleDirectory(this.#deps.capsulesDirectory, spec.id, from.prepared?.name);
    const { clock } = this.#deps;
    const capsule = new Capsule(recordOf(spec, clock.now()), directory, clock, announce);
    capsules.set(spec.id, capsule);
    try {
      capsule.enter("running", await createCapsule(capsule, from, this.#deps, signal));
    } catch (error) {
      capsules.delete(spec.id);
      capsule.fail(error instanceof Error ? error.message : String(error));
      throw error;
    }
    this.#registry.watchForDeath(capsule);
    return capsule.status();
  }

  async #resume(capsule: Capsule, generation: Generation, signal: AbortSignal): Promise<CapsuleStatus> {
    capsule.enter("running", await resumeCapsule(capsule, generation, this.#deps, signal));
    this.#registry.watchForDeath(capsule);
    this.#registry.watchPages(capsule);
    return capsule.status();
  }
}

type RecordOf = (spec: CapsuleSpec, now: number) => ReturnType<typeof newRecord>;

const newRecordOf =
  (template: Parameters<typeof newRecord>[1]): RecordOf =>
  (spec, now) =>
    newRecord(spec, template, now);

function factsOf({ id, kind, name, createdAt, memoryBytes }: Generation): CheckpointFacts {
  return {
    id,
    kind: kind === "pause" ? "pause" : "checkpoint",
    ...(name === undefined ? {} : { name }),
    createdAt,
    memoryBytes,
  };
}
