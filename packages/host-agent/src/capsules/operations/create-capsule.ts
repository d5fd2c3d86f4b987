import { defined, PhaseLog, WrennError } from "@wrenn/core";
import type { PhaseTimes } from "@wrenn/core";
import type { CapsuleSpec, CapsuleStatus } from "@wrenn/protocol";
import type { Disks } from "../../disks/disks.ts";
import type { PreparedMachine, RunningMachine } from "../../machines/running-machine.ts";
import { discardMachine } from "../../pool/prepare-machine.ts";
import { requireCompatible } from "../../templates/compatible-template.ts";
import { templateDiskMib } from "../../templates/frozen-template.ts";
import type { FrozenTemplate } from "../../templates/frozen-template.ts";
import type { Templates } from "../../templates/template-store.ts";
import { beginVerification } from "../../generations/verify-generation.ts";
import type { MomentCache } from "../../moments/moment-cache.ts";
import { Capsule } from "../capsule.ts";
import { CapsuleDirectory } from "../capsule-directory.ts";
import type { CapsuleRecord } from "../capsule-record.ts";
import type { CapsuleRegistry } from "../capsule-registry.ts";
import { inheritDefaults } from "../process-defaults.ts";
import { OperationJournal } from "./operation-journal.ts";
import type { OperationJournalDeps } from "./operation-journal.ts";
import { originOf } from "./origin-of.ts";
import { startMachine } from "./start-machine.ts";
import type { MachineOrigin, StartMachineDeps } from "./start-machine.ts";

/** An overlay, records and logs; what the guest writes later is not counted here. */
export const NEW_CAPSULE_BYTES = 16 * 2 ** 20;

export interface StartCapsuleDeps extends StartMachineDeps, OperationJournalDeps {
  readonly registry: CapsuleRegistry;
  readonly capsulesDirectory: string;
  readonly disks: Pick<Disks, "create" | "layers" | "reserve">;
}

export interface CreateCapsuleDeps extends StartCapsuleDeps {
  readonly templates: Pick<Templates, "source">;
  readonly moments: MomentCache;
  readonly pool: PreparedMachines;
}

/** Machines that wait for capsules. */
export interface PreparedMachines {
  /** A machine of this template and disk size, which belongs to the caller from now on; undefined when none waits. */
  take(
    shape: { readonly template: FrozenTemplate; readonly diskMib: number },
    team?: string,
  ): PreparedMachine | undefined;
}

/** What a capsule begins with, besides its template. */
export interface CapsuleOrigin {
  /** Generation of the capsule that it is a fork of. */
  readonly parent?: Omit<MachineOrigin, "newIdentity" | "prepared">;
  /** A machine of the pool. */
  readonly prepared?: PreparedMachine;
  /** Where the time of the operation went until now. */
  readonly before?: PhaseTimes;
}

/**
 * Starts a capsule from its template. Nothing is left behind when that fails.
 *
 * @param hold - called with the template, which must not be removed until the capsule is registered.
 */
export async function createCapsule(
  spec: CapsuleSpec,
  hold: (template: FrozenTemplate) => void,
  deps: CreateCapsuleDeps,
  signal: AbortSignal,
): Promise<CapsuleStatus> {
  if (spec.moment !== undefined) return await createFromMoment(spec, spec.moment, hold, deps, signal);
  const phases = new PhaseLog(deps.clock);
  phases.begin("template");
  const template = await deps.templates.source.frozen(spec.template, spec, signal, hold);
  deps.registry.requireUnused(spec.id);
  const least = templateDiskMib(template);
  if (spec.diskMib < least)
    throw new WrennError("disk_too_small", { template: template.name, least, wanted: spec.diskMib });
  await requireCompatible(template, deps.machines.hypervisor, signal);
  using _room = await deps.disks.reserve.claim(NEW_CAPSULE_BYTES, "new");
  const prepared = deps.pool.take({ template, diskMib: spec.diskMib }, spec.team);
  phases.end();
  return await startCapsule(
    // A snapshot has the sizes that it was frozen with.
    { ...inheritDefaults(spec, template.defaults), ...template.shape },
    template,
    defined({ prepared, before: phases.times() }),
    deps,
    signal,
  );
}

/**
 * Starts a capsule from a moment that was kept of another one. Nothing is left behind when that fails.
 *
 * @throws WrennError `moment_not_found`, `snapshot_incompatible`, `snapshot_corrupt`.
 */
async function createFromMoment(
  spec: CapsuleSpec,
  key: string,
  hold: (template: FrozenTemplate) => void,
  deps: CreateCapsuleDeps,
  signal: AbortSignal,
): Promise<CapsuleStatus> {
  const phases = new PhaseLog(deps.clock);
  phases.begin("template");
  using moment = await deps.moments.use(key);
  const { template, generation } = moment;
  hold(template);
  deps.registry.requireUnused(spec.id);
  const files = deps.moments.files(key);
  const { contents } = await beginVerification(
    generation,
    files,
    await deps.machines.hypervisor.identity(signal),
  );
  using _room = await deps.disks.reserve.claim(NEW_CAPSULE_BYTES, "new");
  phases.end();
  const { moment: _key, ...others } = spec;
  return await startCapsule(
    { ...inheritDefaults(others, template.defaults), ...moment.spec },
    template,
    { parent: { ...originOf(generation, files), verified: contents }, before: phases.times() },
    deps,
    signal,
  );
}

/** Registers a new capsule and starts its first machine; the caller has made sure that the id is unused. */
export async function startCapsule(
  spec: CapsuleSpec,
  template: FrozenTemplate,
  origin: CapsuleOrigin,
  deps: StartCapsuleDeps,
  signal: AbortSignal,
): Promise<CapsuleStatus> {
  const { clock, registry } = deps;
  const directory = new CapsuleDirectory(deps.capsulesDirectory, spec.id, origin.prepared?.name);
  const record = newRecord(spec, template, clock.now());
  const capsule = new Capsule(record, directory, clock, registry.announce);
  registry.capsules.set(spec.id, capsule);
  const journal = new OperationJournal(capsule, "create", deps, signal);
  journal.phases.add(origin.before ?? {});
  try {
    capsule.enter("running", await startFirstMachine(capsule, origin, journal, deps, signal));
  } catch (error) {
    registry.capsules.delete(spec.id);
    capsule.fail(error instanceof Error ? error.message : String(error));
    throw error;
  }
  registry.watchForDeath(capsule);
  return { ...capsule.status(), phases: journal.phases.times() };
}

/** The record of a capsule that does not exist yet. */
function newRecord(spec: CapsuleSpec, template: FrozenTemplate, now: number): CapsuleRecord {
  return {
    version: 1,
    spec,
    state: "creating",
    template,
    createdAt: now,
    restores: 0,
    overlay: -1,
    layers: [],
    generations: [],
    nextGeneration: 1,
  };
}

/** Makes the capsule's directory and takes the steps to its machine. */
async function startFirstMachine(
  capsule: Capsule,
  { parent, prepared }: CapsuleOrigin,
  journal: OperationJournal<"create">,
  deps: StartCapsuleDeps,
  signal: AbortSignal,
): Promise<RunningMachine> {
  const { directory } = capsule;
  await using undo = new AsyncDisposableStack();
  try {
    await directory.claim();
    undo.defer(() => directory.remove());
    await directory.create(capsule.record);
  } catch (error) {
    if (prepared) await discardMachine(prepared, deps);
    throw error;
  }
  const running = await startMachine(
    capsule,
    {
      ...(parent ?? { layers: [] }),
      ...defined({ prepared }),
      newIdentity: true,
    },
    journal,
    deps,
    signal,
  );
  await journal.clear();
  undo.move();
  return running;
}
