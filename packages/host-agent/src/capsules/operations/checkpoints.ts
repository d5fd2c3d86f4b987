import { defined, WrennError } from "@wrenn/core";
import type { CheckpointFacts } from "@wrenn/protocol";
import type { Generation } from "../../generations/generation.ts";
import type { CapsuleRegistry } from "../capsule-registry.ts";

export interface CheckpointOperationDeps {
  readonly registry: CapsuleRegistry;
}

/** Moments that the capsule can go back to, newest first: checkpoints and the last pauses. */
export function listCheckpoints(
  id: string,
  { registry }: CheckpointOperationDeps,
): readonly CheckpointFacts[] {
  const { generations } = registry.require(id).record;
  return generations
    .filter(({ kind }) => kind !== "fork")
    .map(checkpointFacts)
    .toReversed();
}

/** @throws WrennError `checkpoint_not_found`; `checkpoint_in_use` for the moment that a paused capsule resumes from. */
export async function deleteCheckpoint(
  id: string,
  checkpoint: string,
  { registry }: CheckpointOperationDeps,
): Promise<void> {
  const capsule = registry.require(id);
  const generation = capsule.generation(checkpoint);
  if (capsule.state === "paused" && capsule.record.current === generation.id)
    throw new WrennError("checkpoint_in_use", { checkpoint });
  await capsule.dropGenerations((candidate) => candidate === generation);
  await registry.collectLayers();
}

/** A generation as the control plane sees it. */
export function checkpointFacts({
  id,
  kind,
  name,
  createdAt,
  memoryBytes,
  diskOnly,
}: Generation): CheckpointFacts {
  return {
    id,
    kind: kind === "pause" ? "pause" : "checkpoint",
    ...defined({ name, diskOnly }),
    createdAt,
    memoryBytes,
  };
}
