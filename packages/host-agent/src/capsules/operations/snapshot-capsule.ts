import { defined, WrennError } from "@wrenn/core";
import type { Clock, Random } from "@wrenn/core";
import type { SnapshotRequest, TemplateFacts } from "@wrenn/protocol";
import { allocatedBytes } from "../../disks/disks.ts";
import type { Disks } from "../../disks/disks.ts";
import type { Generation } from "../../generations/generation.ts";
import type { Machines } from "../../machines/machines.ts";
import type { Memory } from "../../memory/memory.ts";
import { freezeTemplate, NEW_TEMPLATE_BYTES } from "../../templates/freeze-template.ts";
import { kernelRelease } from "../../templates/frozen-template.ts";
import type { FrozenTemplate } from "../../templates/frozen-template.ts";
import type { DiskMoment, FrozenMoment, SnapshotSource } from "../../templates/snapshot-templates.ts";
import type { Templates } from "../../templates/template-store.ts";
import type { Capsule } from "../capsule.ts";
import { defaultsOf } from "../process-defaults.ts";
import { emptyMemory } from "../empty-memory.ts";
import type { CapsuleRegistry } from "../capsule-registry.ts";
import { withPlainDiff } from "../upkeep/pack-generations.ts";
import { OperationJournal } from "./operation-journal.ts";
import type { OperationJournalDeps } from "./operation-journal.ts";

export interface SnapshotCapsuleDeps extends OperationJournalDeps {
  readonly registry: CapsuleRegistry;
  readonly clock: Clock;
  readonly random: Random;
  readonly machines: Pick<
    Machines<"acquire" | "release">,
    "bootFiles" | "connectGuest" | "hypervisor" | "slots"
  >;
  readonly disks: Pick<Disks, "create" | "layers" | "reserve">;
  readonly memory: Pick<Memory, "packed">;
  readonly templates: Pick<Templates, "snapshots">;
}

/**
 * Makes a template of a paused capsule, which stays as it is. Where its disk alone was kept, that is booted and frozen. Nothing of the template is left when that fails.
 *
 * @throws WrennError `capsule_not_paused`, `operation_failed`, `disk_full`, `snapshot_corrupt`, …
 */
export async function snapshotCapsule(
  id: string,
  { key, ownPrograms }: SnapshotRequest,
  deps: SnapshotCapsuleDeps,
  signal: AbortSignal,
): Promise<TemplateFacts> {
  const capsule = deps.registry.require(id);
  if (capsule.state !== "paused")
    throw new WrennError("capsule_not_paused", { status: capsule.publicState() });
  const { directory, record } = capsule;
  const { snapshots } = deps.templates;
  const generation = capsule.currentGeneration();
  using _room = await deps.disks.reserve.claim(await mostOfTemplate(capsule, generation, deps.disks), "new");
  // The caller learns of the template only after the journal is clear; until then recovery removes it.
  const journal = new OperationJournal(capsule, "snapshot", deps, signal);
  journal.add({ template: key });
  try {
    const make = (source: SnapshotSource): Promise<FrozenTemplate> =>
      snapshots.create(key, source, journal.step, signal);
    const kept = {
      template: record.template,
      layers: generation.layers.map((id) => deps.disks.layers.path(id)),
      diskMib: capsule.spec.diskMib,
      defaults: defaultsOf(capsule.spec),
    };
    const template = generation.diskOnly
      ? await make({ ...kept, ownPrograms, freeze: freezingOf(capsule, generation, ownPrograms, deps) })
      : await withPlainDiff(capsule, generation, deps, signal, async (memoryDiff) =>
          make({
            ...kept,
            metadata: record.template.metadata,
            files: { ...directory.generation(generation.id), memoryDiff },
            memory: await memoryBelow(capsule, generation),
            hypervisor: generation.hypervisor,
            disk: deps.disks.layers.path(generation.layers.at(-1) ?? ""),
          }),
        );
    try {
      await journal.step("answer");
    } catch (error) {
      await snapshots.remove(key);
      throw error;
    }
    return { name: key, sizeBytes: template.sizeBytes, ...template.shape };
  } finally {
    await journal.clear();
  }
}

/** What the pages of a generation lie over. */
async function memoryBelow(
  { directory, record, spec }: Capsule,
  { booted }: Generation,
): Promise<FrozenMoment["memory"]> {
  if (!booted) return record.template;
  return {
    memoryFile: await emptyMemory(directory, spec.memoryMib),
    ...defined({ clockKhz: booted.clockKhz }),
  };
}

/** Boots the disk of a generation, which is not changed, warms the machine where it should, and freezes it. */
function freezingOf(
  { directory, record, spec }: Capsule,
  { layers }: Generation,
  warm: boolean,
  deps: SnapshotCapsuleDeps,
): DiskMoment["freeze"] {
  const below = layers.map((id) => deps.disks.layers.path(id));
  return async (target, signal) => {
    const { hypervisor } = deps.machines;
    const metadata = await freezeTemplate(
      {
        name: record.spec.id,
        shape: record.template.shape,
        kernel: await deps.machines.bootFiles(signal, kernelRelease(record.template)),
        disk: {
          backing: below.at(-1) ?? record.template.disk,
          readable: [...record.template.readable, ...below],
        },
        directory: target,
        // The path of a socket is short: that of a template may be too long for one.
        machineDirectory: directory.freezing,
        diskMib: spec.diskMib,
        warm,
      },
      { ...deps, progress: () => {} },
      signal,
    );
    const clockKhz = hypervisor.guestClock?.khz;
    return { metadata, hypervisor: await hypervisor.identity(signal), ...defined({ clockKhz }) };
  };
}

/** The most that a template of a generation takes, with the plain form of packed memory while it is made. */
async function mostOfTemplate(
  { record }: Capsule,
  generation: Generation,
  { layers }: Pick<Disks, "layers">,
): Promise<number> {
  const { memoryFile, deviceState } = record.template;
  const below = generation.layers.map((id) => layers.path(id));
  const memoryBytes = generation.diskOnly ? NEW_TEMPLATE_BYTES : 2 * generation.memoryBytes;
  return (await allocatedBytes([memoryFile, deviceState, ...below])) + memoryBytes;
}
