import { mkdir, open, rm } from "node:fs/promises";
import { defined, withDeadline } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import { sealFile, syncDirectory } from "@wrenn/system";
import type { Disks } from "../../disks/disks.ts";
import type { Generation } from "../../generations/generation.ts";
import type { Machines } from "../../machines/machines.ts";
import { requireNoStall, whileAlive } from "../../machines/running-machine.ts";
import type { RunningMachine } from "../../machines/running-machine.ts";
import { mostChangedMemory } from "../../memory/changed-memory.ts";
import type { Memory } from "../../memory/memory.ts";
import type { Capsule } from "../capsule.ts";
import { inParallel } from "./in-parallel.ts";
import { requireRoomForLayer } from "./most-layers.ts";
import type { OperationJournal } from "./operation-journal.ts";
import { untilComplete } from "./serve-pages.ts";
import { undoFreeze, undoStop } from "./undo-stop.ts";

/** Freezing processes takes milliseconds; one that cannot be frozen fails the operation instead of holding it up. */
const QUIESCE_MS = 30_000;

export interface CaptureGenerationDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly machines: Pick<Machines, "hypervisor" | "letRun">;
  readonly disks: Pick<Disks, "create" | "layers" | "reserve">;
  readonly memory: Pick<Memory, "save">;
}

/** A pause leaves the machine stopped; after a checkpoint or fork it continues on a new overlay. */
export type CaptureRequest =
  | { readonly kind: "pause"; readonly journal: OperationJournal<"pause"> }
  | {
      readonly kind: "checkpoint" | "fork";
      readonly name?: string;
      /** The disk is kept alone, with everything that the guest has written. */
      readonly diskOnly?: true;
      readonly journal: OperationJournal<"checkpoint">;
    };

export interface CapturedGeneration {
  readonly generation: Generation;
  /** Number of the overlay that the machine writes after a checkpoint or fork. */
  readonly overlay: number;
  /** For how long the virtual CPUs stood still, milliseconds; 0 for a pause. */
  readonly stoppedMs: number;
}

/**
 * Writes a generation of a running capsule: disk, device state and changed pages of one frozen moment. The record does not
 * name it yet. When a step fails the machine keeps running and nothing of the generation is left.
 *
 * @throws WrennError `too_many_layers`; `disk_full` when the host's reserve would be touched.
 */
export async function captureGeneration(
  capsule: Capsule,
  running: RunningMachine,
  request: CaptureRequest,
  deps: CaptureGenerationDeps,
  signal: AbortSignal,
): Promise<CapturedGeneration> {
  const { machine, guest } = running;
  requireNoStall(machine);
  await untilComplete(running, signal);
  const { directory, record, spec } = capsule;
  const { journal } = request;
  if (request.kind !== "pause") requireRoomForLayer(record);
  const diskOnly = request.kind !== "pause" && request.diskOnly === true;
  const mostMemory = async (): Promise<number> =>
    diskOnly ? 0 : await mostChangedMemory(machine.process.pid, spec.memoryMib);
  // A pause frees the machine's memory and ends the guest's writes, so it may use a part of the reserve.
  using room = await deps.disks.reserve.claim(await mostMemory(), request.kind === "pause" ? "keep" : "new");
  const { layers: layerStore } = deps.disks;
  const id = `g${record.nextGeneration}`;
  const files = directory.generation(id);
  const alive = <T>(work: Promise<T>): Promise<T> => whileAlive(machine, work);
  await using undo = new AsyncDisposableStack();
  undo.defer(() => rm(files.directory, { recursive: true, force: true }));
  await rm(files.directory, { recursive: true, force: true });
  await mkdir(files.directory, { recursive: true, mode: 0o700 });
  const layer = await layerStore.freeze(directory.overlay(record.overlay));
  const layers = [...record.layers, layer];
  let overlay = record.overlay;
  let switched = false;
  undo.defer(async () => {
    // A disk that was switched stays so: the new overlay is the capsule's disk from now on.
    try {
      if (switched) await capsule.save({ overlay, layers });
    } finally {
      layerStore.unpin(layer);
    }
  });
  if (request.kind !== "pause") {
    overlay++;
    const disk = directory.overlay(overlay);
    await rm(disk, { force: true });
    await deps.disks.create({ path: disk, backing: layerStore.path(layer), sizeMib: spec.diskMib }, signal);
  }

  await journal.step("quiesce");
  let stopped = false;
  undo.defer(() => (stopped ? undoStop : undoFreeze)(capsule, running, deps));
  await alive(
    withDeadline("freezing the guest's processes", QUIESCE_MS, signal, (inner) =>
      guest.quiesce({ freeze: true, sync: diskOnly }, inner),
    ),
  );
  await journal.step("stop");
  const stoppedAt = deps.clock.monotonic();
  stopped = true;
  await machine.stop(signal);
  // Until now the guest went on, for as long as it drew out the step before.
  await room.growTo(await mostMemory());
  if (request.kind !== "pause") {
    request.journal.add({ layer });
    await request.journal.step("disk");
    await machine.switchDisk(directory.overlay(overlay), signal);
    switched = true;
    await layerStore.seal(layer);
  }
  await journal.step("device-state");
  await journal.step("memory");
  let memoryBytes = 0;
  const saveDevices = async (): Promise<void> => {
    await machine.saveDeviceState(files.deviceState, signal);
    // The VMM completes its disk when it saves its devices, so the disk is made durable afterwards.
    if (request.kind === "pause") await Promise.all([syncFile(files.deviceState), layerStore.sync(layer)]);
  };
  const savePages = async (): Promise<void> => {
    memoryBytes = await deps.memory.save(machine, files.memoryDiff, signal);
    // Machines of later slots, each with its own user, read it; the directory keeps all other users out.
    await sealFile(files.memoryDiff);
    if (request.kind === "pause") await syncFile(files.memoryDiff);
  };
  // The guest is stopped and its devices write nothing into its memory, so that neither changes what the other reads.
  if (!diskOnly) await inParallel([saveDevices, savePages], 2, (save) => save());
  let stoppedMs = 0;
  if (request.kind !== "pause") {
    await request.journal.step("continue");
    stoppedMs = deps.clock.monotonic() - stoppedAt;
    await deps.machines.letRun(machine, async () => guest, signal);
    stopped = false;
    await alive(
      withDeadline("thawing the guest's processes", QUIESCE_MS, signal, (inner) => guest.thaw(inner)),
    );
  }
  // The guest of a checkpoint does not wait for the disk; a pause has made its files durable as each was complete.
  const memoryFiles = diskOnly ? [] : [files.deviceState, files.memoryDiff];
  const unsynced =
    request.kind === "pause" ? [] : [layerStore.sync(layer), ...memoryFiles.map((path) => syncFile(path))];
  await Promise.all([...unsynced, syncDirectory(files.directory)]);
  undo.move();
  return {
    overlay,
    stoppedMs,
    generation: {
      id,
      kind: request.kind,
      ...(request.kind === "pause" || request.name === undefined ? {} : { name: request.name }),
      createdAt: deps.clock.now(),
      layers,
      memoryBytes,
      hypervisor: machine.identity,
      ...(diskOnly ? { diskOnly } : defined({ booted: record.booted })),
    },
  };
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.datasync();
  } finally {
    await file.close();
  }
}
