import { WrennError } from "@wrenn/core";
import type { CapsuleSpec, CapsuleStatus } from "@wrenn/protocol";
import type { Host } from "../../host-agent-deps.ts";
import { addGeneration } from "./checkpoint-capsule.ts";
import type { AddGenerationDeps } from "./checkpoint-capsule.ts";
import { NEW_CAPSULE_BYTES, startCapsule } from "./create-capsule.ts";
import type { StartCapsuleDeps } from "./create-capsule.ts";
import { destroyCapsule } from "./destroy-capsule.ts";
import { inParallel } from "./in-parallel.ts";
import { OperationJournal } from "./operation-journal.ts";

export type ForkCapsuleDeps = StartCapsuleDeps &
  AddGenerationDeps & {
    readonly host: Pick<Host, "facts">;
  };

/**
 * Starts capsules from this moment of a running one, which continues. All of them run, or none is left.
 *
 * @throws WrennError `capsule_busy` before anything is done when a child's id is taken.
 */
export async function forkCapsule(
  id: string,
  children: readonly CapsuleSpec[],
  deps: ForkCapsuleDeps,
  signal: AbortSignal,
): Promise<readonly CapsuleStatus[]> {
  const { registry } = deps;
  const source = registry.require(id);
  const ids = new Set(children.map((child) => child.id));
  if (ids.size < children.length) throw new WrennError("capsule_busy", { operation: "create" });
  for (const child of ids) registry.requireUnused(child);
  using _room = await deps.disks.reserve.claim(children.length * NEW_CAPSULE_BYTES, "new");
  const journal = new OperationJournal(source, "fork", deps, signal);
  await journal.step("capture");
  const { generation } = await addGeneration(source, { kind: "fork" }, deps, signal);
  const parent = { files: source.directory.generation(generation.id), layers: generation.layers };
  const { template } = source.record;
  const startedIds: string[] = [];
  const startChild = async (child: CapsuleSpec): Promise<CapsuleStatus> => {
    registry.requireUnused(child.id);
    const status = await startCapsule({ ...child, ...template.shape }, template, { parent }, deps, signal);
    startedIds.push(child.id);
    return status;
  };
  try {
    await journal.step("children");
    const started = await inParallel(children, deps.host.facts.cpuCores, (child) =>
      registry.queue.run(child.id, () => startChild(child)),
    );
    await journal.step("drop");
    return started;
  } catch (error) {
    // A child that could not be started has left nothing; an id that was taken meanwhile is another capsule's.
    await Promise.allSettled(
      startedIds.map((child) => registry.queue.run(child, () => destroyCapsule(child, deps))),
    );
    throw error;
  } finally {
    await source.dropGenerations((candidate) => candidate === generation);
    await journal.clear();
  }
}
