import { mkdir } from "node:fs/promises";
import { abortable, randomHex, withDeadline } from "@wrenn/core";
import { CapsuleDirectory } from "../capsules/capsule-directory.ts";
import type { Disks } from "../disks/disks.ts";
import type { Machines } from "../machines/machines.ts";
import { GUEST_ANSWER_MS, whileAlive } from "../machines/running-machine.ts";
import type { PreparedMachine } from "../machines/running-machine.ts";
import type { FrozenTemplate } from "../templates/frozen-template.ts";
import { warmGuest } from "./warm-guest.ts";
import type { WarmGuestDeps } from "./warm-guest.ts";

/** The overlay and logs of a waiting machine. */
const NEW_MACHINE_BYTES = 16 * 2 ** 20;

/** What a waiting machine fits: the same template, sizes and disk, restored by the same hypervisor. */
export interface PoolShape {
  readonly template: FrozenTemplate;
  readonly diskMib: number;
}

export interface PrepareMachineDeps extends WarmGuestDeps {
  readonly machines: Pick<
    Machines<"acquire" | "assignTeam" | "release">,
    "hypervisor" | "slots" | "connectGuest"
  >;
  readonly disks: Pick<Disks, "create" | "reserve">;
  /** Where capsules are stored. */
  readonly capsulesDirectory: string;
}

/**
 * Restores a machine and stops it. Before that its guest answers, unless processes of a user were frozen with it: nothing of them may
 * run before the network policy of their capsule holds. Where all programs are the product's, it is warmed up, too.
 *
 * @param team - its slot counts for this team already: a change of the host's rules that the capsule need not wait for.
 */
export async function prepareMachine(
  { template, diskMib }: PoolShape,
  team: string | undefined,
  deps: PrepareMachineDeps,
  signal: AbortSignal,
): Promise<PreparedMachine> {
  using _room = await deps.disks.reserve.claim(NEW_MACHINE_BYTES, "new");
  const name = `${CapsuleDirectory.pooled}${randomHex(deps.random, 8)}`;
  const directory = new CapsuleDirectory(deps.capsulesDirectory, name);
  await using release = new AsyncDisposableStack();
  const slot = await deps.machines.slots.acquire(signal);
  release.defer(() => deps.machines.slots.release(slot));
  if (team !== undefined) await deps.machines.slots.assignTeam(slot, team, signal);
  release.defer(() => directory.remove());
  await mkdir(directory.disk, { recursive: true, mode: 0o700 });
  const disk = directory.overlay(0);
  await deps.disks.create({ path: disk, backing: template.disk, sizeMib: diskMib }, signal);
  await deps.activity.pause(signal);
  const machine = await deps.machines.hypervisor.restore(
    {
      id: name,
      directory: directory.run,
      ...template.shape,
      disk,
      diskMib,
      readable: template.readable,
      network: { namespace: slot.namespace, tap: slot.tap, mac: slot.mac },
      uid: slot.uid,
      gid: slot.uid,
      memoryFile: template.memoryFile,
      deviceState: template.deviceState,
      stopped: template.frozenProcesses,
      background: true,
    },
    signal,
  );
  release.defer(() => machine.destroy());
  const activity = { onActivity: () => {} };
  if (template.frozenProcesses) {
    release.move();
    return { machine, slot, name, activity };
  }
  const guest = await withDeadline("the guest agent's first answer", GUEST_ANSWER_MS, signal, (inner) =>
    whileAlive(
      machine,
      deps.machines.connectGuest(machine, () => activity.onActivity(), inner),
    ),
  );
  release.defer(() => guest.detach());
  await whileAlive(machine, abortable(signal, guest.connected()));
  if (template.ownPrograms) await warmGuest(machine, guest, deps, signal);
  await machine.stop(signal);
  release.move();
  return { machine, slot, name, activity, guest };
}

/** Ends a machine that no capsule takes, and removes its directory. */
export async function discardMachine(
  { machine, guest, slot, name }: PreparedMachine,
  { machines, capsulesDirectory }: Pick<PrepareMachineDeps, "machines" | "capsulesDirectory">,
): Promise<void> {
  await guest?.detach();
  await machine.destroy();
  await machines.slots.release(slot);
  await new CapsuleDirectory(capsulesDirectory, name).remove();
}
