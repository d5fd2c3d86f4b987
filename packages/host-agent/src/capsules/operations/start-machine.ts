import { rm } from "node:fs/promises";
import { basename } from "node:path";
import { defined, withDeadline } from "@wrenn/core";
import type { Clock, Logger, Random } from "@wrenn/core";
import type { GuestLink } from "@wrenn/guest";
import type { Disks } from "../../disks/disks.ts";
import type { GenerationFiles } from "../../generations/generation.ts";
import type { PortConnections } from "../../host-agent-deps.ts";
import type { Machines } from "../../machines/machines.ts";
import { GUEST_ANSWER_MS, whileAlive } from "../../machines/running-machine.ts";
import type { PreparedMachine, RunningMachine } from "../../machines/running-machine.ts";
import type { Slot } from "@wrenn/network";
import type { Memory } from "../../memory/memory.ts";
import { clockDifference } from "../../templates/compatible-template.ts";
import type { Capsule } from "../capsule.ts";
import type { OperationJournal } from "./operation-journal.ts";
import { renewIdentity } from "./renew-identity.ts";
import { servePages } from "./serve-pages.ts";

export interface StartMachineDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  readonly machines: Omit<Machines<"acquire" | "assignTeam" | "applyPolicy" | "release">, "clocks">;
  readonly disks: Pick<Disks, "create" | "layers">;
  readonly memory: Pick<Memory, "packed">;
  readonly connections: Pick<PortConnections, "reset">;
}

/** What a machine starts from: a generation, or the state of the capsule's template. */
export interface MachineOrigin {
  /** Changed pages and device state; without them the template's own. */
  readonly files?: GenerationFiles;
  /** The changed pages exist in compressed form only. */
  readonly packed?: boolean;
  /** A machine of the pool, which has the template's state already. */
  readonly prepared?: PreparedMachine;
  /** Disk layers below the new overlay, lowest first. */
  readonly layers: readonly string[];
  /** The guest gets a new name and a new machine id. */
  readonly newIdentity: boolean;
}

type StartJournal = OperationJournal<"create"> | OperationJournal<"resume">;

/** A machine before its guest has the time of the host and the identity of the capsule; that of the pool stands still. */
interface StartedMachine extends Omit<RunningMachine, "guest"> {
  /** The link to a guest that has answered before. */
  readonly guest?: GuestLink;
}

/**
 * Takes a capsule to a machine whose guest answers with the capsule's identity: from its template, or from a generation of
 * it or of its parent. Every step is journalled first; when one fails, everything before it is released in reverse order
 * and the record is as it was.
 */
export async function startMachine(
  capsule: Capsule,
  origin: MachineOrigin,
  journal: StartJournal,
  deps: StartMachineDeps,
  signal: AbortSignal,
): Promise<RunningMachine> {
  const { spec, record } = capsule;
  const { template } = record;
  using start = await deps.machines.starts.begin(signal);
  await using undo = new AsyncDisposableStack();

  const overlay = record.overlay + 1;
  const started = origin.prepared
    ? await takePrepared(capsule, origin.prepared, journal, undo, deps, signal)
    : await restoreMachine(capsule, origin, overlay, journal, undo, deps, signal);
  const { machine, slot, pages } = started;
  start.restored();

  await journal.step("guest");
  // A link that was given up before the pause stays closed: the guest as it was restored gets a fresh one.
  const suspended = capsule.suspended?.isClosed === true ? undefined : capsule.suspended;
  const reach = async (inner: AbortSignal): Promise<GuestLink> => {
    if (suspended) {
      undo.defer(() => suspended.suspend());
      await suspended.resume(inner);
      return suspended;
    }
    const link =
      started.guest ?? (await deps.machines.connectGuest(machine, () => capsule.noteTraffic(), inner));
    undo.defer(() => link.detach());
    return link;
  };
  const guest = await deps.machines.letRun(machine, reach, signal);
  // Hooks of users run next: however long they take, other machines start.
  start[Symbol.dispose]();

  await journal.step("identity");
  const restoreCount = record.restores + 1;
  await whileAlive(
    machine,
    withDeadline("renewing the capsule's identity", GUEST_ANSWER_MS, signal, async (inner) => {
      await renewIdentity(guest, { spec, restoreCount, newIdentity: origin.newIdentity }, deps, inner);
      if (origin.files === undefined && !template.frozenProcesses) return;
      // Processes of a generation are known only to the link that it was frozen with.
      if (!suspended) await guest.recover(inner);
      // They are frozen until here: none of them has seen the old randomness.
      await guest.thaw(inner);
    }),
  );

  await journal.step("commit");
  await capsule.save({
    state: "running",
    slot: slot.number,
    runningSince: deps.clock.now(),
    restores: restoreCount,
    overlay,
    layers: origin.layers,
    ...(pages ? { served: true } : {}),
  });
  pages?.fill();
  capsule.suspended = undefined;
  deps.connections.reset(capsule.id);
  capsule.touch();
  undo.move();
  return { machine, guest, slot, ...defined({ pages }) };
}

/** Gives a slot the policy and the team of its capsule. */
async function prepareSlot(
  slot: Slot,
  { spec }: Capsule,
  slots: StartMachineDeps["machines"]["slots"],
  signal: AbortSignal,
): Promise<void> {
  if (spec.network) await slots.applyPolicy(slot, spec.network, signal);
  if (spec.team !== undefined) await slots.assignTeam(slot, spec.team, signal);
}

/** Takes a machine of the pool. It has a slot and a disk already, so that only the network policy is missing. */
async function takePrepared(
  capsule: Capsule,
  prepared: PreparedMachine,
  journal: StartJournal,
  undo: AsyncDisposableStack,
  { machines: { slots } }: Pick<StartMachineDeps, "machines">,
  signal: AbortSignal,
): Promise<StartedMachine> {
  const { machine, guest, slot, activity } = prepared;
  undo.defer(async () => {
    await machine.destroy();
    await slots.release(slot);
  });
  undo.defer(async () => guest?.detach());

  await journal.step("slot");
  // Before the guest can send anything.
  await prepareSlot(slot, capsule, slots, signal);

  // It was made together with the machine.
  await journal.step("disk");

  await journal.step("machine");
  activity.onActivity = () => capsule.noteTraffic();
  return { machine, slot, ...defined({ guest }) };
}

/** Restores a machine from memory, device state and disk of the origin. */
async function restoreMachine(
  capsule: Capsule,
  { files, packed, layers }: MachineOrigin,
  overlay: number,
  journal: StartJournal,
  undo: AsyncDisposableStack,
  deps: StartMachineDeps,
  signal: AbortSignal,
): Promise<StartedMachine> {
  const { directory, spec } = capsule;
  const { template } = capsule.record;
  const { hypervisor, slots } = deps.machines;

  await journal.step("slot");
  const slot = await slots.acquire(signal);
  let lives = false;
  undo.defer(async () => {
    // A machine that lives on would share its slot with the next one.
    if (!lives) await slots.release(slot);
  });
  // Before the guest can send anything.
  await prepareSlot(slot, capsule, slots, signal);

  await journal.step("disk");
  const disk = directory.overlay(overlay);
  const below = layers.map((id) => deps.disks.layers.path(id));
  // An interrupted attempt may have left one with the same number.
  await rm(disk, { force: true });
  undo.defer(() => rm(disk, { force: true }));
  await deps.disks.create(
    { path: disk, backing: below.at(-1) ?? template.disk, sizeMib: spec.diskMib, uid: slot.uid },
    signal,
  );

  await journal.step("machine");
  const clockProblem = clockDifference(template, hypervisor);
  if (clockProblem !== undefined)
    deps.logger.warn("capsule.clock_rate_wrong", { capsule: capsule.id, problem: clockProblem });
  const served =
    files && packed === true
      ? await servePages(capsule, files.memoryPacked, slot.uid, deps, signal)
      : undefined;
  undo.defer(async () => served?.pages.stop());
  const machine = await hypervisor.restore(
    {
      id: basename(directory.path),
      directory: directory.run,
      vcpus: spec.vcpus,
      memoryMib: spec.memoryMib,
      disk,
      diskMib: spec.diskMib,
      readable: [...template.readable, ...below],
      network: { namespace: slot.namespace, tap: slot.tap, mac: slot.mac },
      uid: slot.uid,
      gid: slot.uid,
      memoryFile: template.memoryFile,
      deviceState: files?.deviceState ?? template.deviceState,
      ...(served ? { servedMemory: served.machine } : files ? { memoryDiff: files.memoryDiff } : {}),
    },
    signal,
  );
  lives = true;
  undo.defer(async () => {
    await machine.destroy();
    lives = false;
  });
  return { machine, slot, ...defined({ pages: served?.pages }) };
}
