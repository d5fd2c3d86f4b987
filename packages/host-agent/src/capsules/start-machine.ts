import { rm } from "node:fs/promises";
import { withDeadline } from "@wrenn/core";
import type { HostAgentDependencies } from "../dependencies.ts";
import type { GenerationFiles } from "../generations/generation.ts";
import { renewIdentity } from "../identity.ts";
import type { Step, StepJournal } from "../steps.ts";
import type { Capsule, RunningParts } from "./capsule.ts";
import { orDeath } from "./or-death.ts";
import { servePages } from "./serve-pages.ts";

/** A restore answers in a fraction of a second; on a saturated host it may take many times that. */
const GUEST_ANSWER_MS = 30_000;

/** What a machine starts from. */
export interface Origin {
  /** Changed pages and device state; without them the template's own. */
  readonly files?: GenerationFiles;
  /** The changed pages are there in compressed form only. */
  readonly packed?: boolean;
  /** Disk layers below the new overlay, lowest first. */
  readonly layers: readonly string[];
  /** The guest becomes somebody else: new name, new machine id. */
  readonly newIdentity: boolean;
}

/**
 * Takes a capsule to a machine whose guest answers as itself: from its template, or from a generation of it or of its parent.
 * Every step is journalled first; when one fails, everything before it is released in reverse order and the record is as
 * it was.
 */
export async function startMachine(
  capsule: Capsule,
  origin: Origin,
  deps: HostAgentDependencies,
  step: StepJournal<"create" | "resume">,
  signal: AbortSignal,
): Promise<RunningParts> {
  const { directory, spec, record } = capsule;
  const { template } = record;
  await using release = new AsyncDisposableStack();

  await step("slot");
  const slot = await deps.slots.acquire(signal);
  release.defer(() => deps.slots.release(slot));

  // Before the guest can send anything.
  if (spec.network) await deps.slots.applyPolicy(slot, spec.network, signal);

  await step("disk");
  const overlay = record.overlay + 1;
  const disk = directory.overlay(overlay);
  // One of the same number was left by an attempt that was interrupted.
  await rm(disk, { force: true });
  release.defer(() => rm(disk, { force: true }));
  const layers = origin.layers.map((id) => deps.layers.path(id));
  await deps.createDisk(
    { path: disk, backing: layers.at(-1) ?? template.disk, sizeMib: spec.diskMib, uid: slot.uid },
    signal,
  );

  await step("machine");
  const served =
    origin.files && origin.packed === true
      ? await servePages(capsule, origin.files.memoryPacked, slot.uid, deps, signal)
      : undefined;
  release.defer(async () => served?.pages.stop());
  const machine = await deps.hypervisor.restore(
    {
      id: spec.id,
      directory: directory.run,
      vcpus: spec.vcpus,
      memoryMib: spec.memoryMib,
      disk,
      readable: [...template.readable, ...layers],
      network: { namespace: slot.namespace, tap: slot.tap, mac: slot.mac },
      uid: slot.uid,
      gid: slot.uid,
      memoryFile: template.memoryFile,
      deviceState: origin.files?.deviceState ?? template.deviceState,
      ...(served
        ? { servedMemory: served.machine }
        : origin.files
          ? { memoryDiff: origin.files.memoryDiff }
          : {}),
    },
    signal,
  );
  release.defer(() => machine.destroy());

  await step("guest");
  const { suspended } = capsule;
  const guest = await orDeath(
    machine.death,
    withDeadline("the guest agent's first answer", GUEST_ANSWER_MS, signal, async (inner) => {
      if (!suspended) return await deps.connectGuest(machine, () => touch(capsule, deps), inner);
      await suspended.wake(inner);
      return suspended;
    }),
  );
  release.defer(async () => (suspended ? guest.suspend() : await guest.detach()));

  await step("identity");
  const restores = record.restores + 1;
  await orDeath(
    machine.death,
    withDeadline("renewing the capsule's identity", GUEST_ANSWER_MS, signal, async (inner) => {
      await renewIdentity(guest, { spec, generation: restores, anew: origin.newIdentity }, deps, inner);
      if (origin.files === undefined && !template.frozenProcesses) return;
      // Processes of a generation are known to the session that it was frozen with, and to no other.
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
    ...(served ? { served: true } : {}),
  });
  served?.pages.fill();
  capsule.suspended = undefined;
  deps.connections.reset(capsule.id);
  touch(capsule, deps);
  release.move();
  return { machine, guest, slot, ...(served ? { pages: served.pages } : {}) };
}

/** Journals the steps of an operation that starts a machine. */
export function stepsOf(
  operation: "create" | "resume",
  capsule: Capsule,
  deps: HostAgentDependencies,
  signal: AbortSignal,
): StepJournal<"create" | "resume"> {
  return async (name: Step<"create" | "resume">) => {
    signal.throwIfAborted();
    await capsule.directory.writeJournal({ operation, step: name, at: deps.clock.now() });
    await deps.onStep?.(capsule.id, operation, name);
  };
}

/** The capsule is in use. */
export function touch(capsule: Capsule, { clock }: Pick<HostAgentDependencies, "clock">): void {
  capsule.lastActiveAt = clock.now();
}
