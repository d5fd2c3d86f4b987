import { problemOf, WrennError } from "@wrenn/core";
import type { HostAgentDeps } from "../../host-agent-deps.ts";
import type { Step } from "../../steps.ts";
import type { RunningMachine } from "../../machines/running-machine.ts";
import type { Capsule } from "../capsule.ts";

/**
 * Ends a capsule from any state and removes everything it had. Every part is tried even when another refuses, because
 * what stays behind costs the host; releasing a part twice is harmless, so a later call may try again.
 *
 * @throws WrennError `operation_failed` with the first refusal, after everything was tried.
 */
export async function releaseCapsule(
  capsule: Capsule,
  running: RunningMachine | undefined,
  deps: HostAgentDeps,
): Promise<void> {
  const { directory } = capsule;
  const problems: unknown[] = [];
  const step = async (name: Step<"destroy">, action: () => Promise<void>): Promise<void> => {
    try {
      await directory.writeJournal({ operation: "destroy", step: name, at: deps.clock.now() });
      await deps.onStep?.(capsule.id, "destroy", name);
    } catch (error) {
      problems.push(error);
    }
    await action().catch((error: unknown) => problems.push(error));
  };
  await step("guest", async () => {
    await running?.guest.detach();
    await capsule.suspended?.detach();
  });
  await step("machine", async () => {
    await running?.machine.destroy();
    await running?.pages?.stop();
  });
  await step("slot", async () => (running ? deps.machines.slots.release(running.slot) : undefined));
  if (problems.length === 0) await step("directory", () => directory.remove());
  const [first] = problems;
  if (first !== undefined) {
    throw new WrennError(
      "operation_failed",
      { operation: `destroying ${capsule.id}`, problem: problemOf(first) },
      { cause: first },
    );
  }
}
