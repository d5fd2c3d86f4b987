import { problemOf } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import type { ConsoleKeeper } from "../../console/console-keeper.ts";
import type { Machines } from "../../machines/machines.ts";
import type { RunningMachine } from "../../machines/running-machine.ts";
import type { Capsule } from "../capsule.ts";
import type { CapsuleRegistry } from "../capsule-registry.ts";
import { afterAnswer } from "./after-answer.ts";

/** Ending a machine is tried again after this long, and then after twice as long each time. */
const RETRY_MS = 1000;
const RETRY_MAX_MS = 128_000;

export interface ReleaseMachineDeps {
  readonly clock: Pick<Clock, "sleep">;
  readonly logger: Logger;
  readonly registry: CapsuleRegistry;
  readonly machines: Pick<Machines<"release">, "slots">;
  readonly consoles: Pick<ConsoleKeeper, "collect">;
}

/**
 * Ends the machine of a capsule that no longer needs it, and gives its slot back in the background. It does not fail: what
 * cannot be ended now is logged and tried again, and keeps its slot until then. Runs in the capsule's queue, or for a parked
 * machine, which an operation on its capsule waits for.
 */
export async function releaseMachine(
  capsule: Capsule,
  { machine, pages, slot }: Pick<RunningMachine, "machine" | "pages" | "slot">,
  deps: ReleaseMachineDeps,
): Promise<void> {
  await deps.consoles.collect(capsule.directory);
  const ended = await attempt(capsule, "machine", () => machine.destroy(), deps);
  await attempt(capsule, "page server", () => pages?.stop(), deps);
  deps.registry.inBackground(capsule.id, "slot_release", async () => {
    // A machine that lives on would share its slot with the next one.
    if (!ended) await endLater(capsule, machine, deps);
    await afterAnswer(deps);
    await deps.machines.slots.release(slot);
  });
}

/** Does something that must not keep the rest from being done; a failure is logged. Returns whether it is done. */
export async function attempt(
  capsule: Capsule,
  what: string,
  work: () => Promise<void> | undefined,
  { logger }: Pick<ReleaseMachineDeps, "logger">,
): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    logger.error("capsule.release_failed", { capsule: capsule.id, what, problem: problemOf(error) });
    return false;
  }
}

/** Tries to end a machine until that succeeds; gives up after some minutes or when the host agent ends, and with it the slot. */
async function endLater(
  capsule: Capsule,
  machine: RunningMachine["machine"],
  { clock, registry }: ReleaseMachineDeps,
): Promise<void> {
  for (let wait = RETRY_MS; ; wait *= 2) {
    await clock.sleep(wait, registry.ending);
    try {
      await registry.queue.run(capsule.id, async () => {
        // The directory is the next machine's as soon as there is one.
        if (!capsule.running) await machine.destroy();
      });
      return;
    } catch (error) {
      if (wait >= RETRY_MAX_MS) throw error;
    }
  }
}
