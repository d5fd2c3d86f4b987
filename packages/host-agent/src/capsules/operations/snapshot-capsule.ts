import { WrennError } from "@wrenn/core";
import type { HostAgentDeps } from "../../host-agent-deps.ts";
import { withPlainDiff } from "../upkeep/pack-generations.ts";
import type { FrozenTemplate } from "../../templates/frozen-template.ts";
import type { Step } from "../../steps.ts";
import type { Capsule } from "../capsule.ts";

/**
 * Makes a template of a paused capsule, which stays as it is. Nothing of the template is left when that fails.
 *
 * @throws WrennError `capsule_not_paused`, `operation_failed`, `disk_full`, `snapshot_corrupt`, …
 */
export async function snapshotCapsule(
  capsule: Capsule,
  key: string,
  deps: HostAgentDeps,
  signal: AbortSignal,
): Promise<FrozenTemplate> {
  if (capsule.state !== "paused")
    throw new WrennError("capsule_not_paused", { status: capsule.publicState() });
  const { directory, record } = capsule;
  const generation = capsule.currentGeneration();
  // Until the journal is clear again nobody has been told of the template: recovery removes it.
  const step = async (name: Step<"snapshot">): Promise<void> => {
    signal.throwIfAborted();
    await directory.writeJournal({
      operation: "snapshot",
      step: name,
      at: deps.clock.now(),
      template: key,
    });
    await deps.onStep?.(capsule.id, "snapshot", name);
  };
  try {
    const template = await withPlainDiff(capsule, generation, deps, signal, (memoryDiff) =>
      deps.templates.snapshots.create(
        key,
        {
          template: record.template,
          files: { ...directory.generation(generation.id), memoryDiff },
          hypervisor: generation.hypervisor,
          disk: deps.disks.layers.path(generation.layers.at(-1) ?? ""),
        },
        step,
        signal,
      ),
    );
    try {
      await step("answer");
    } catch (error) {
      await deps.templates.snapshots.remove(key);
      throw error;
    }
    return template;
  } finally {
    await directory.writeJournal({ operation: "none", at: deps.clock.now() });
  }
}
