import { defined } from "@wrenn/core";
import type { PhaseTimes } from "@wrenn/core";
import type { CheckpointFacts } from "@wrenn/protocol";
import type { Generation } from "../../generations/generation.ts";
import { requireNoStall } from "../../machines/running-machine.ts";
import type { Capsule } from "../capsule.ts";
import type { CapsuleRegistry } from "../capsule-registry.ts";
import { verifyNewGeneration } from "../upkeep/settle-generations.ts";
import { captureGeneration } from "./capture-generation.ts";
import type { CaptureGenerationDeps } from "./capture-generation.ts";
import { checkpointFacts } from "./checkpoints.ts";
import { OperationJournal } from "./operation-journal.ts";
import type { OperationJournalDeps } from "./operation-journal.ts";

export type AddGenerationDeps = CaptureGenerationDeps & OperationJournalDeps;

export interface CheckpointCapsuleDeps extends AddGenerationDeps {
  readonly registry: CapsuleRegistry;
}

/** Keeps this moment of a running capsule, which continues after a short stop. */
export async function checkpointCapsule(
  id: string,
  name: string | undefined,
  deps: CheckpointCapsuleDeps,
  signal: AbortSignal,
): Promise<CheckpointFacts> {
  const capsule = deps.registry.require(id);
  const { generation, stoppedMs } = await addGeneration(
    capsule,
    { kind: "checkpoint", ...defined({ name }) },
    deps,
    signal,
  );
  deps.registry.inBackground(id, "verification", () => verifyNewGeneration(capsule, generation));
  return { ...checkpointFacts(generation), stoppedMs };
}

/**
 * Adds a generation to the record of a running capsule, which continues after a short stop.
 *
 * @returns the generation, for how long the virtual CPUs stood still, in milliseconds, and where the time went.
 */
export async function addGeneration(
  capsule: Capsule,
  moment: {
    readonly kind: "checkpoint" | "fork";
    readonly name?: string;
    /** No memory is kept. */
    readonly diskOnly?: true;
  },
  deps: AddGenerationDeps,
  signal: AbortSignal,
): Promise<{ readonly generation: Generation; readonly stoppedMs: number; readonly phases: PhaseTimes }> {
  const running = capsule.requireRunning();
  requireNoStall(running.machine);
  const journal = new OperationJournal(capsule, "checkpoint", deps);
  try {
    const { generation, overlay, stoppedMs } = await captureGeneration(
      capsule,
      running,
      { ...moment, journal },
      deps,
      signal,
    );
    try {
      await journal.step("commit");
    } finally {
      // Whether or not the generation is kept: this is the disk that the machine writes to now.
      try {
        await capsule.save({ overlay, layers: generation.layers });
      } finally {
        for (const layer of generation.layers) deps.disks.layers.unpin(layer);
      }
    }
    await capsule.save({
      generations: [...capsule.record.generations, generation],
      nextGeneration: capsule.record.nextGeneration + 1,
    });
    return { generation, stoppedMs, phases: journal.phases.times() };
  } finally {
    await journal.clear();
  }
}
