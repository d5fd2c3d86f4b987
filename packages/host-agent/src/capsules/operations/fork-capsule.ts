import { PhaseLog, problemOf, WrennError } from "@wrenn/core";
import type { PhaseTimes } from "@wrenn/core";
import type { CapsuleSpec, CapsuleStatus } from "@wrenn/protocol";
import type { Host } from "../../host-agent-deps.ts";
import type { Generation } from "../../generations/generation.ts";
import type { Capsule } from "../capsule.ts";
import { originOf } from "./origin-of.ts";
import { addGeneration } from "./checkpoint-capsule.ts";
import type { AddGenerationDeps } from "./checkpoint-capsule.ts";
import { NEW_CAPSULE_BYTES, startCapsule } from "./create-capsule.ts";
import type { StartCapsuleDeps } from "./create-capsule.ts";
import { inheritDefaults } from "../process-defaults.ts";
import { destroyCapsule } from "./destroy-capsule.ts";
import type { DestroyCapsuleDeps } from "./destroy-capsule.ts";
import { inParallel } from "./in-parallel.ts";
import { OperationJournal } from "./operation-journal.ts";

export type ForkCapsuleDeps = StartCapsuleDeps &
  AddGenerationDeps &
  Pick<DestroyCapsuleDeps, "parked" | "connections"> & {
    readonly host: Pick<Host, "facts">;
  };

/** The moment that forks start from: this one of a running capsule, or the disk of one that is paused without its memory. */
async function momentOf(
  source: Capsule,
  deps: ForkCapsuleDeps,
  signal: AbortSignal,
): Promise<{ readonly generation: Generation; readonly phases: PhaseTimes }> {
  if (source.state === "paused") {
    const generation = source.currentGeneration();
    // Each child is booted from it.
    if (generation.diskOnly) return { generation, phases: {} };
  }
  return await addGeneration(source, { kind: "fork" }, deps, signal);
}

/**
 * Starts capsules from this moment of a running one, which continues, or from the disk of one that is paused without memory.
 *
 * @param isEach - a child that cannot be started has the status `failed`, and the others run. Without it all of them run, or none is
 * left. After an abort none is left in any case.
 * @throws WrennError `capsule_busy` before anything is done when a child's id is taken.
 */
export async function forkCapsule(
  id: string,
  children: readonly CapsuleSpec[],
  { isEach }: { readonly isEach: boolean },
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
  const { generation, phases } = await momentOf(source, deps, signal);
  const parent = originOf(generation, source.directory.generation(generation.id));
  const { template } = source.record;
  const startedIds: string[] = [];
  const startChild = async (child: CapsuleSpec, before: PhaseLog): Promise<CapsuleStatus> => {
    before.end();
    registry.requireUnused(child.id);
    const status = await startCapsule(
      { ...inheritDefaults(child, source.spec), ...template.shape },
      template,
      { parent, before: before.times() },
      deps,
      signal,
    );
    startedIds.push(child.id);
    return status;
  };
  try {
    await journal.step("children");
    const waiting = children.map((child) => {
      const before = new PhaseLog(deps.clock);
      before.add(phases);
      before.begin("queue");
      return { child, before };
    });
    const started = await inParallel(waiting, deps.host.facts.cpuCores, async ({ child, before }) => {
      try {
        return await registry.queue.run(child.id, () => startChild(child, before));
      } catch (error) {
        if (!isEach || signal.aborted) throw error;
        return failedChild(child, source.spec, error);
      }
    });
    await journal.step("drop");
    return started;
  } catch (error) {
    // A child that could not be started has left nothing; an id that was taken meanwhile is another capsule's.
    await Promise.allSettled(
      startedIds.map((child) => registry.queue.run(child, () => destroyCapsule(child, deps))),
    );
    throw error;
  } finally {
    await source.dropGenerations((candidate) => candidate === generation && candidate.kind === "fork");
    await journal.clear();
  }
}

function failedChild(
  { id }: CapsuleSpec,
  { template, vcpus, memoryMib }: CapsuleSpec,
  error: unknown,
): CapsuleStatus {
  const problem = problemOf(error);
  return { id, state: "failed", template, vcpus, memoryMib, lastActiveAt: 0, metadata: {}, problem };
}
