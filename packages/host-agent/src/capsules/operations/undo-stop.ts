import { problemOf, WrennError } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import type { Machines } from "../../machines/machines.ts";
import { onceRunning } from "../../machines/running-machine.ts";
import type { RunningMachine } from "../../machines/running-machine.ts";
import type { Capsule } from "../capsule.ts";

const UNDO_MS = 30_000;

export interface UndoStopDeps {
  readonly logger: Logger;
  readonly machines: Pick<Machines, "letRun">;
}

/**
 * Lets a machine that an operation stopped run on, with a new clock, and then the users' processes that it froze. Each is tried
 * although the other fails, and failures are logged: the caller reports what came before them. In a stalled machine it is done
 * when the stall ends.
 */
export async function undoStop(capsule: Capsule, running: RunningMachine, deps: UndoStopDeps): Promise<void> {
  const { machine, guest } = running;
  await undo(capsule, running, deps, async (stalled) => {
    try {
      await deps.machines.letRun(machine, async () => guest, limited(stalled));
    } catch (error) {
      if (WrennError.is(error, "disk_full") || WrennError.is(error, "machine_died")) throw error;
      logFailure(capsule, error, deps);
    }
    await guest.thaw(limited(stalled));
  });
}

/**
 * Lets the users' processes of a guest run on that an operation froze. A failure is logged. A guest that does not answer in time
 * still has the request, and obeys it when it goes on.
 */
export async function undoFreeze(
  capsule: Capsule,
  running: RunningMachine,
  deps: Pick<UndoStopDeps, "logger">,
): Promise<void> {
  await undo(capsule, running, deps, (stalled) => running.guest.thaw(limited(stalled)));
}

async function undo(
  capsule: Capsule,
  { machine }: RunningMachine,
  deps: Pick<UndoStopDeps, "logger">,
  work: (stalled: AbortSignal) => Promise<void>,
): Promise<void> {
  const failed = (error: unknown): void => logFailure(capsule, error, deps);
  await onceRunning(machine, work, failed).catch(failed);
}

function limited(signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(UNDO_MS)]);
}

function logFailure(capsule: Capsule, error: unknown, { logger }: Pick<UndoStopDeps, "logger">): void {
  logger.error("capsule.undo_failed", { capsule: capsule.id, problem: problemOf(error) });
}
