import { rm } from "node:fs/promises";
import { basename } from "node:path";
import { defined, withDeadline } from "@wrenn/core";
import type { Clock, Logger, Random } from "@wrenn/core";
import type { GuestLink } from "@wrenn/guest";
import type { Disks } from "../../disks/disks.ts";
import type { Boot, GenerationFiles } from "../../generations/generation.ts";
import type { PortConnections } from "../../host-agent-deps.ts";
import type { Machines } from "../../machines/machines.ts";
import { GUEST_ANSWER_MS, whileAlive } from "../../machines/running-machine.ts";
import type { PreparedMachine, RunningMachine } from "../../machines/running-machine.ts";
import type { Slot } from "@wrenn/network";
import type { Memory } from "../../memory/memory.ts";
import type { ParkedMachine } from "../../parked/parked-machines.ts";
import { templateDiskMib } from "../../templates/frozen-template.ts";
import { clockDifference } from "../../templates/compatible-template.ts";
import type { Capsule } from "../capsule.ts";
import { emptyMemory } from "../empty-memory.ts";
import { awaitBoot, bootMachine, describeBoot } from "./boot-machine.ts";
import type { OperationJournal } from "./operation-journal.ts";
import { renewIdentity } from "./renew-identity.ts";
import { servePages } from "./serve-pages.ts";

export interface StartMachineDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  readonly machines: Omit<
    Machines<"acquire" | "assignCapsule" | "assignTeam" | "applyPolicy" | "release">,
    "clocks"
  >;
  readonly disks: Pick<Disks, "create" | "layers">;
  readonly memory: Pick<Memory, "packed">;
  readonly connections: Pick<PortConnections, "reset">;
}

/** What a machine starts from: a generation, the state of the capsule's template, or a disk alone, which is booted. */
export interface MachineOrigin {
  /** The disk is booted. */
  readonly boots?: true;
  /** The memory of `files` began with a boot. */
  readonly booted?: Boot;
  /** Changed pages and device state; without them the template's own. */
  readonly files?: GenerationFiles;
  /** The changed pages exist in compressed form only. */
  readonly packed?: boolean;
  /** Resolves once `files` are known to be undamaged: nothing of them is executed before. */
  readonly verified?: Promise<void>;
  /** A machine of the pool, which has the template's state already. */
  readonly prepared?: PreparedMachine;
  /** The machine that was stopped at the moment of `files`, with the disk that it writes next. */
  readonly parked?: ParkedMachine;
  /** Disk layers below the new overlay, lowest first. */
  readonly layers: readonly string[];
  /** The guest gets a new name and a new machine id. */
  readonly newIdentity: boolean;
}

type StartJournal = OperationJournal<"create"> | OperationJournal<"resume">;

/** A machine before its guest has the time of the host and the identity of the capsule; one of the pool or parked stands still. */
interface StartedMachine extends Omit<RunningMachine, "guest"> {
  /** The link to a guest that has answered before. */
  readonly guest?: GuestLink;
}

/**
 * Takes a capsule to a machine whose guest answers with the capsule's identity: from its template, or from a generation of
 * it or of its parent, also one that a parked machine still has in memory. Every step is journalled first; when one fails, everything before it is released in reverse order
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
  journal.phases.begin("queue");
  await using undo = new AsyncDisposableStack();
  const existing = origin.parked ?? origin.prepared;
  if (existing)
    undo.defer(async () => {
      await existing.machine.destroy();
      await deps.machines.slots.release(existing.slot);
    });
  undo.defer(async () => origin.prepared?.guest?.detach());
  using start = await deps.machines.starts.begin(signal);

  const overlay = record.overlay + 1;
  const started = origin.parked
    ? await takeParked(origin.parked, journal)
    : origin.prepared
      ? await takePrepared(capsule, origin.prepared, journal, deps, signal)
      : await makeMachine(capsule, origin, overlay, journal, undo, deps, signal);
  const { machine, slot, pages } = started;
  start.restored();

  await journal.step("guest");
  const booting = origin.boots ? await awaitBoot(capsule, machine, deps, signal) : undefined;
  undo.defer(async () => booting?.detach());
  const answered = started.guest ?? booting;
  // A link that was given up before the pause stays closed: the guest as it was restored gets a fresh one.
  const suspended = capsule.suspended?.isClosed === true ? undefined : capsule.suspended;
  const reach = async (inner: AbortSignal): Promise<GuestLink> => {
    if (suspended && !origin.boots) {
      // What a parked machine has received since is lost with it: its streams end visibly instead of missing bytes.
      undo.defer(() => (origin.parked ? suspended.detach() : suspended.suspend()));
      await suspended.resume(inner, machine.guestChannel.dial);
      return suspended;
    }
    const link = answered ?? (await deps.machines.connectGuest(machine, () => capsule.noteTraffic(), inner));
    undo.defer(() => link.detach());
    return link;
  };
  const guest = await deps.machines.letRun(machine, reach, signal);
  // Hooks of users run next: however long they take, other machines start.
  start[Symbol.dispose]();

  await journal.step("identity");
  const restoreCount = record.restores + 1;
  const booted = await whileAlive(
    machine,
    withDeadline("renewing the capsule's identity", GUEST_ANSWER_MS, signal, async (inner) => {
      const { newIdentity, boots = false } = origin;
      if (isGrown(capsule, origin)) {
        const bytes = spec.diskMib * 2 ** 20;
        await machine.resizeDisk(bytes, inner);
        await guest.growDisk(bytes, inner);
      }
      await renewIdentity(guest, { spec, restoreCount, newIdentity, booted: boots }, deps, inner);
      if (boots) return await describeBoot(capsule, guest, deps, inner);
      if (origin.files === undefined && !template.frozenProcesses) return undefined;
      // Processes of a generation are known only to the link that it was frozen with.
      if (!suspended) await guest.recover(inner);
      // They are frozen until here: none of them has seen the old randomness.
      await guest.thaw(inner);
      return origin.booted;
    }),
  );

  await journal.step("commit");
  const { booted: _earlier, ...kept } = capsule.record;
  await capsule.replace({
    ...kept,
    state: "running",
    slot: slot.number,
    runningSince: deps.clock.now(),
    restores: restoreCount,
    overlay,
    layers: origin.layers,
    ...(pages ? { served: true } : {}),
    ...defined({ booted }),
  });
  pages?.fill();
  // After a boot the streams of the memory that was given up have no end to wait for.
  if (origin.boots) await suspended?.detach();
  capsule.suspended = undefined;
  deps.connections.reset(capsule.id);
  capsule.touch();
  undo.move();
  return { machine, guest, slot, ...defined({ pages }) };
}

/** Whether the disk of a capsule that starts from its template is larger than that of the template. */
function isGrown({ spec, record: { template } }: Capsule, { files, layers }: MachineOrigin): boolean {
  return files === undefined && layers.length === 0 && spec.diskMib > templateDiskMib(template);
}

/** Gives a slot the policy and the team of its capsule. */
async function prepareSlot(
  slot: Slot,
  { spec }: Capsule,
  slots: StartMachineDeps["machines"]["slots"],
  signal: AbortSignal,
): Promise<void> {
  slots.assignCapsule(slot, spec.id);
  if (spec.network) await slots.applyPolicy(slot, spec.network, signal);
  if (spec.team !== undefined) await slots.assignTeam(slot, spec.team, signal);
}

/** Takes a machine of the pool. It has a slot and a disk already, so that only the network policy is missing. */
async function takePrepared(
  capsule: Capsule,
  prepared: PreparedMachine,
  journal: StartJournal,
  { machines: { slots } }: Pick<StartMachineDeps, "machines">,
  signal: AbortSignal,
): Promise<StartedMachine> {
  const { machine, guest, slot, activity } = prepared;
  await journal.step("slot");
  // Before the guest can send anything.
  await prepareSlot(slot, capsule, slots, signal);

  // It was made together with the machine.
  await journal.step("disk");

  await journal.step("machine");
  activity.onActivity = () => capsule.noteTraffic();
  return { machine, slot, ...defined({ guest }) };
}

/** Takes the machine that the pause left. Its slot, whose policy holds, and its disk were kept with it. */
async function takeParked({ machine, slot }: ParkedMachine, journal: StartJournal): Promise<StartedMachine> {
  await journal.step("slot");
  await journal.step("disk");
  await journal.step("machine");
  return { machine, slot };
}

/** Restores a machine from memory, device state and disk of the origin, or boots it from the disk. */
async function makeMachine(
  capsule: Capsule,
  origin: MachineOrigin,
  overlay: number,
  journal: StartJournal,
  undo: AsyncDisposableStack,
  deps: StartMachineDeps,
  signal: AbortSignal,
): Promise<StartedMachine> {
  const { boots, booted, files, verified, layers } = origin;
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
  // Before the guest can send anything, which is when it may run.
  const slotReady = prepareSlot(slot, capsule, slots, signal);
  const mayRun = Promise.all([verified, slotReady]).then(() => {});
  mayRun.catch(() => {});
  // A slot is not released while it is being changed.
  undo.defer(() => slotReady.catch(() => {}));
  if (boots) await mayRun;

  await journal.step("disk");
  // Beside the disk, which it takes longer than.
  const serving = servedMemory(capsule, origin, slot, deps, signal);
  serving.catch(() => {});
  undo.defer(async () => (await serving.catch(() => undefined))?.served?.pages.stop());
  const disk = directory.overlay(overlay);
  const below = layers.map((id) => deps.disks.layers.path(id));
  // An interrupted attempt may have left one with the same number.
  await rm(disk, { force: true });
  undo.defer(() => rm(disk, { force: true }));
  await deps.disks.create(
    { path: disk, backing: below.at(-1) ?? template.disk, sizeMib: spec.diskMib },
    signal,
  );

  await journal.step("machine");
  const machineSpec = {
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
  };
  const restore = async (): Promise<StartedMachine> => {
    const clockProblem = clockDifference(booted ?? template, hypervisor);
    if (clockProblem !== undefined)
      deps.logger.warn("capsule.clock_rate_wrong", { capsule: capsule.id, problem: clockProblem });
    const { memoryFile, served } = await serving;
    const machine = await hypervisor.restore(
      {
        ...machineSpec,
        memoryFile,
        deviceState: files?.deviceState ?? template.deviceState,
        mayRun,
        onLoading: () => journal.phases.begin("memory"),
        ...(served ? { servedMemory: served.machine } : files ? { memoryDiff: files.memoryDiff } : {}),
      },
      signal,
    );
    return { machine, slot, ...defined({ pages: served?.pages }) };
  };
  const started: StartedMachine = boots
    ? { machine: await bootMachine(capsule, machineSpec, slot, deps, signal), slot }
    : await restore().catch(async (error: unknown) => {
        // Whatever came of it for the machine, this is the reason.
        await mayRun;
        throw error;
      });
  const { machine } = started;
  lives = true;
  undo.defer(async () => {
    await machine.destroy();
    lives = false;
  });
  return started;
}

/** The memory that the machine starts on, and the page server for what lies over it when that is packed. */
async function servedMemory(
  capsule: Capsule,
  { boots, booted, files, packed }: MachineOrigin,
  slot: Slot,
  deps: StartMachineDeps,
  signal: AbortSignal,
) {
  const { directory, spec, record } = capsule;
  const memoryFile =
    booted && !boots ? await emptyMemory(directory, spec.memoryMib) : record.template.memoryFile;
  if (boots || !files || packed !== true) return { memoryFile };
  const memory = { packed: files.memoryPacked, base: memoryFile };
  return { memoryFile, served: await servePages(capsule, memory, slot, deps, signal) };
}
