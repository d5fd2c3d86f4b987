import { rm } from "node:fs/promises";
import { basename } from "node:path";
import type { GuestLink } from "@wrenn/guest";
import type { Slot } from "@wrenn/network";
import type { Machine } from "@wrenn/vmm";
import type { HostAgentDeps } from "../../host-agent-deps.ts";
import type { ServedPages } from "../../memory/memory.ts";
import type { StepJournal } from "../../steps.ts";
import type { Capsule } from "../capsule.ts";
import { servePages } from "./serve-pages.ts";
import type { Origin } from "./origin.ts";

/** A machine that runs and is not yet anybody. */
export interface ObtainedMachine {
  readonly machine: Machine;
  /** The link to a guest that has answered before. */
  readonly guest?: GuestLink;
  readonly slot: Slot;
  /** Number of the overlay that it writes. */
  readonly overlay: number;
  readonly pages?: ServedPages;
}

/** Takes the steps to a running machine: slot, disk, machine. How to undo each is put into `release`. */
export async function obtainMachine(
  capsule: Capsule,
  origin: Origin,
  release: AsyncDisposableStack,
  deps: HostAgentDeps,
  step: StepJournal<"create" | "resume">,
  signal: AbortSignal,
): Promise<ObtainedMachine> {
  const { directory, spec, record } = capsule;
  const { template } = record;
  const { prepared } = origin;

  if (prepared) {
    release.defer(() => deps.machines.slots.release(prepared.slot));
    release.defer(() => prepared.machine.destroy());
    release.defer(async () => prepared.guest?.detach());
  }
  await step("slot");
  const slot = prepared?.slot ?? (await deps.machines.slots.acquire(signal));
  if (!prepared) release.defer(() => deps.machines.slots.release(slot));

  // Before the guest can send anything.
  if (spec.network) await deps.machines.slots.applyPolicy(slot, spec.network, signal);

  await step("disk");
  const overlay = record.overlay + 1;
  const disk = directory.overlay(overlay);
  const layers = origin.layers.map((id) => deps.disks.layers.path(id));
  if (!prepared) {
    // One of the same number was left by an attempt that was interrupted.
    await rm(disk, { force: true });
    release.defer(() => rm(disk, { force: true }));
    await deps.disks.create(
      { path: disk, backing: layers.at(-1) ?? template.disk, sizeMib: spec.diskMib, uid: slot.uid },
      signal,
    );
  }

  await step("machine");
  if (prepared) {
    const { machine, guest, activity } = prepared;
    activity.onActivity = () => capsule.touch();
    await machine.resume(signal);
    return { machine, slot, overlay, ...(guest ? { guest } : {}) };
  }
  const served =
    origin.files && origin.packed === true
      ? await servePages(capsule, origin.files.memoryPacked, slot.uid, deps, signal)
      : undefined;
  release.defer(async () => served?.pages.stop());
  const machine = await deps.machines.hypervisor.restore(
    {
      id: basename(directory.path),
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
  return { machine, slot, overlay, ...(served ? { pages: served.pages } : {}) };
}
