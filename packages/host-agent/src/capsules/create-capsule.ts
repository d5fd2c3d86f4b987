import { problemOf, withDeadline, WrennError } from "@wrenn/core";
import { join } from "node:path";
import type { HostAgentDependencies } from "../dependencies.ts";
import { renewIdentity } from "../identity.ts";
import type { Step } from "../steps.ts";
import type { FrozenTemplate } from "../templates/template-source.ts";
import type { Capsule, RunningParts } from "./capsule.ts";
import type { CapsuleRecord } from "./capsule-record.ts";

/** A restore answers in a fraction of a second; on a saturated host it may take many times that. */
const GUEST_ANSWER_MS = 30_000;

/**
 * Takes a new capsule from its frozen template to a machine whose guest answers as itself.
 * Every step is journalled first; when one fails, everything before it is released in reverse order.
 */
export async function startCapsule(
  capsule: Capsule,
  template: FrozenTemplate,
  deps: HostAgentDependencies,
  signal: AbortSignal,
): Promise<RunningParts> {
  const { directory, spec } = capsule;
  let record: CapsuleRecord = { version: 1, spec, templateHash: template.hash, createdAt: deps.clock.now() };
  const step = async (name: Step<"create">): Promise<void> => {
    signal.throwIfAborted();
    await directory.writeJournal({ operation: "create", step: name, at: deps.clock.now() });
    await deps.onStep?.(spec.id, "create", name);
  };

  await using release = new AsyncDisposableStack();
  release.defer(() => directory.remove());
  await directory.create(record);

  await step("slot");
  const slot = await deps.slots.acquire(signal);
  release.defer(() => deps.slots.release(slot));
  record = { ...record, slot: slot.number };
  await directory.writeRecord(record);

  await step("disk");
  const disk = join(directory.disk, "0.qcow2");
  await deps.createDisk({ path: disk, backing: template.disk, sizeMib: spec.diskMib, uid: slot.uid }, signal);

  await step("machine");
  const machine = await deps.hypervisor.restore(
    {
      id: spec.id,
      directory: directory.run,
      vcpus: spec.vcpus,
      memoryMib: spec.memoryMib,
      disk,
      readable: template.readable,
      network: { namespace: slot.namespace, tap: slot.tap, mac: slot.mac },
      uid: slot.uid,
      gid: slot.uid,
      memoryFile: template.memoryFile,
      deviceState: template.deviceState,
    },
    signal,
  );
  release.defer(() => machine.destroy());

  await step("guest");
  const guest = await orDeath(
    machine.death,
    withDeadline("the guest agent's first answer", GUEST_ANSWER_MS, signal, (inner) =>
      deps.connectGuest(machine, inner),
    ),
  );
  release.defer(() => guest.detach());

  await step("identity");
  await orDeath(
    machine.death,
    withDeadline("renewing the capsule's identity", GUEST_ANSWER_MS, signal, (inner) =>
      renewIdentity(guest, spec, 1, deps, inner),
    ),
  );

  await directory.writeJournal({ operation: "none", at: deps.clock.now() });
  release.move();
  return { machine, guest, slot };
}

/** Settles as `work` does, or rejects as soon as the machine is dead. */
async function orDeath<T>(death: Promise<{ readonly detail: string }>, work: Promise<T>): Promise<T> {
  const died = death.then((cause) => {
    throw new WrennError("machine_died", { problem: problemOf(cause.detail) });
  });
  return await Promise.race([work, died]);
}
