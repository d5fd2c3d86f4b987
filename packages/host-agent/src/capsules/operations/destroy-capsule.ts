import { problemOf, WrennError } from "@wrenn/core";
import { isDiskFull } from "../../disks/full-disk.ts";
import type { PortConnections } from "../../host-agent-deps.ts";
import type { Machines } from "../../machines/machines.ts";
import type { ParkedMachines } from "../../parked/parked-machines.ts";
import type { RunningMachine } from "../../machines/running-machine.ts";
import type { Step } from "../../steps.ts";
import type { Capsule } from "../capsule.ts";
import type { CapsuleRegistry } from "../capsule-registry.ts";
import { OperationJournal } from "./operation-journal.ts";
import type { OperationJournalDeps } from "./operation-journal.ts";

export interface DestroyCapsuleDeps extends OperationJournalDeps {
  readonly registry: CapsuleRegistry;
  readonly machines: Pick<Machines<"release">, "slots">;
  readonly parked: Pick<ParkedMachines, "end">;
  readonly connections: Pick<PortConnections, "end" | "reset">;
}

/** Ends a capsule from any state and removes everything it had. An unknown capsule is fine. */
export async function destroyCapsule(id: string, deps: DestroyCapsuleDeps): Promise<void> {
  const { registry } = deps;
  const capsule = registry.capsules.get(id);
  if (!capsule) return;
  const { running } = capsule;
  capsule.enter("destroying", running);
  deps.connections.end(id);
  await releaseCapsule(capsule, running, deps);
  registry.capsules.delete(id);
  deps.connections.reset(id);
  capsule.enter("gone");
  registry.inBackground(id, "layers", () => registry.collectLayers());
}

/**
 * Releases everything that a capsule holds. Every step is tried even when another fails, because what stays behind costs
 * the host; only the slot of a machine that cannot be ended is kept. Releasing something twice is harmless, so a later call may
 * try again.
 *
 * @throws WrennError `operation_failed` with the first failure, after everything was tried.
 */
async function releaseCapsule(
  capsule: Capsule,
  running: RunningMachine | undefined,
  deps: DestroyCapsuleDeps,
): Promise<void> {
  const journal = new OperationJournal(capsule, "destroy", deps);
  const problems: unknown[] = [];
  const step = async (name: Step<"destroy">, action: () => Promise<void>): Promise<void> => {
    try {
      await journal.step(name);
    } catch (error) {
      // A full disk must not keep anyone from destroying what fills it.
      if (!isDiskFull(error)) problems.push(error);
    }
    await action().catch((error: unknown) => problems.push(error));
  };
  await step("guest", async () => {
    await running?.guest.detach();
    await capsule.suspended?.detach();
  });
  let lives = running !== undefined;
  await step("machine", async () => {
    await running?.machine.destroy();
    lives = false;
    await running?.pages?.stop();
    await deps.parked.end(capsule.id);
  });
  await step("slot", async () => {
    // A machine that lives on would share its slot with the next one.
    if (running && !lives) await deps.machines.slots.release(running.slot);
  });
  if (problems.length === 0) await step("directory", () => capsule.directory.remove());
  const [first] = problems;
  if (first !== undefined) {
    throw new WrennError(
      "operation_failed",
      { operation: `destroying ${capsule.id}`, problem: problemOf(first) },
      { cause: first },
    );
  }
}
