import { withDeadline } from "@wrenn/core";
import type { HostAgentDeps } from "../../host-agent-deps.ts";
import { renewIdentity } from "./renew-identity.ts";
import type { Operation, Step, StepJournal } from "../../steps.ts";
import type { Capsule } from "../capsule.ts";
import { obtainMachine } from "./obtain-machine.ts";
import { whileAlive } from "../../machines/running-machine.ts";
import type { RunningMachine } from "../../machines/running-machine.ts";
import type { Origin } from "./origin.ts";

/** A restore answers in a fraction of a second; on a saturated host it may take many times that. */
const GUEST_ANSWER_MS = 30_000;

/**
 * Takes a capsule to a machine whose guest answers as itself: from its template, or from a generation of it or of its parent.
 * Every step is journalled first; when one fails, everything before it is released in reverse order and the record is as
 * it was.
 */
export async function startMachine(
  capsule: Capsule,
  origin: Origin,
  deps: HostAgentDeps,
  step: StepJournal<"create" | "resume">,
  signal: AbortSignal,
): Promise<RunningMachine> {
  const { spec, record } = capsule;
  const { template } = record;
  await using release = new AsyncDisposableStack();

  const obtained = await obtainMachine(capsule, origin, release, deps, step, signal);
  const { machine, slot, overlay, pages } = obtained;

  await step("guest");
  const { suspended } = capsule;
  const guest = await whileAlive(
    machine,
    withDeadline("the guest agent's first answer", GUEST_ANSWER_MS, signal, async (inner) => {
      if (obtained.guest) return obtained.guest;
      if (!suspended) return await deps.machines.connectGuest(machine, () => capsule.touch(), inner);
      await suspended.wake(inner);
      return suspended;
    }),
  );
  release.defer(async () => (suspended ? guest.suspend() : await guest.detach()));

  await step("identity");
  const restores = record.restores + 1;
  await whileAlive(
    machine,
    withDeadline("renewing the capsule's identity", GUEST_ANSWER_MS, signal, async (inner) => {
      await renewIdentity(guest, { spec, restoreCount: restores, anew: origin.newIdentity }, deps, inner);
      if (origin.files === undefined && !template.frozenProcesses) return;
      // Processes of a generation are known to the link that it was frozen with, and to no other.
      if (!suspended) await guest.recover(inner);
      // Until here they stand still: none of them has seen the old clock and randomness.
      await guest.thaw(inner);
    }),
  );

  await step("commit");
  await capsule.save({
    state: "running",
    slot: slot.number,
    runningSince: deps.clock.now(),
    restores,
    overlay,
    layers: origin.layers,
    ...(pages ? { served: true } : {}),
  });
  pages?.fill();
  capsule.suspended = undefined;
  deps.connections.reset(capsule.id);
  capsule.touch();
  release.move();
  return { machine, guest, slot, ...(pages ? { pages } : {}) };
}

/** Journals each step of an operation before it is done, unless it has been called off. */
export function journalOf<O extends Operation>(
  operation: O,
  capsule: Capsule,
  deps: HostAgentDeps,
  signal: AbortSignal,
): StepJournal<O> {
  return async (step: Step<O>) => {
    signal.throwIfAborted();
    await capsule.directory.writeJournal({ operation, step, at: deps.clock.now() });
    await deps.onStep?.(capsule.id, operation, step);
  };
}
