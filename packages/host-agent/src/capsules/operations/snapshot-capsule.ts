import { WrennError } from "@wrenn/core";
import type { TemplateFacts } from "@wrenn/protocol";
import { allocatedBytes } from "../../disks/disks.ts";
import type { Disks } from "../../disks/disks.ts";
import type { Generation } from "../../generations/generation.ts";
import type { Memory } from "../../memory/memory.ts";
import type { Templates } from "../../templates/template-store.ts";
import type { Capsule } from "../capsule.ts";
import type { CapsuleRegistry } from "../capsule-registry.ts";
import { withPlainDiff } from "../upkeep/pack-generations.ts";
import { OperationJournal } from "./operation-journal.ts";
import type { OperationJournalDeps } from "./operation-journal.ts";

export interface SnapshotCapsuleDeps extends OperationJournalDeps {
  readonly registry: CapsuleRegistry;
  readonly disks: Pick<Disks, "layers" | "reserve">;
  readonly memory: Pick<Memory, "packed">;
  readonly templates: Pick<Templates, "snapshots">;
}

/**
 * Makes a template of a paused capsule, which stays as it is. Nothing of the template is left when that fails.
 *
 * @throws WrennError `capsule_not_paused`, `operation_failed`, `disk_full`, `snapshot_corrupt`, …
 */
export async function snapshotCapsule(
  id: string,
  key: string,
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
    const template = await withPlainDiff(capsule, generation, deps, signal, (memoryDiff) =>
      snapshots.create(
        key,
        {
          template: record.template,
          files: { ...directory.generation(generation.id), memoryDiff },
          hypervisor: generation.hypervisor,
          disk: deps.disks.layers.path(generation.layers.at(-1) ?? ""),
        },
        journal.step,
        signal,
      ),
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

/** The most that a template of a generation takes, with the plain form of packed memory while it is made. */
async function mostOfTemplate(
  { record }: Capsule,
  generation: Generation,
  { layers }: Pick<Disks, "layers">,
): Promise<number> {
  const { memoryFile, deviceState } = record.template;
  const below = generation.layers.map((id) => layers.path(id));
  return (await allocatedBytes([memoryFile, deviceState, ...below])) + 2 * generation.memoryBytes;
}
