import { chmod, mkdir, open, rm } from "node:fs/promises";
import { problemOf, withDeadline } from "@wrenn/core";
import type { HostAgentDeps } from "../../host-agent-deps.ts";
import type { Capsule } from "../capsule.ts";
import { whileAlive } from "../../machines/running-machine.ts";
import type { RunningMachine } from "../../machines/running-machine.ts";
import { untilComplete } from "./serve-pages.ts";
import { syncDirectory } from "@wrenn/system";
import type { Generation } from "../../generations/generation.ts";

/** Freezing processes takes milliseconds; one that cannot be frozen fails the operation instead of holding it up. */
const QUIESCE_MS = 30_000;

export interface Captured {
  readonly generation: Generation;
  /** What a capsule that goes on writes from now on. */
  readonly overlay: number;
}

export interface CaptureRequest {
  readonly kind: Generation["kind"];
  readonly name?: string;
  /** The machine goes on afterwards; without, it stays stopped. */
  readonly goesOn: boolean;
  readonly step: {
    readonly quiesce: () => Promise<void>;
    readonly stop: () => Promise<void>;
    /** `layer` is what the disk was until now. */
    readonly disk: (layer: string) => Promise<void>;
    readonly deviceState: () => Promise<void>;
    readonly memory: () => Promise<void>;
    readonly goOn: () => Promise<void>;
  };
}

/**
 * Writes a generation of a running capsule: disk, device state and changed pages of one frozen moment. The record does not
 * name it yet. When a step fails the machine runs on and nothing of the generation is left.
 */
export async function capture(
  capsule: Capsule,
  running: RunningMachine,
  request: CaptureRequest,
  deps: HostAgentDeps,
  signal: AbortSignal,
): Promise<Captured> {
  const { machine, guest, slot } = running;
  await untilComplete(running, signal);
  const { directory, record, spec } = capsule;
  const { step } = request;
  const id = `g${record.nextGeneration}`;
  const files = directory.generation(id);
  const alive = <T>(work: Promise<T>): Promise<T> => whileAlive(machine, work);
  /** What lets the machine run on after a failure must not hide that failure. */
  const goOn = async (what: string, work: () => Promise<void>): Promise<void> => {
    try {
      await alive(work());
    } catch (error) {
      deps.logger.error("capsule.undo_failed", { capsule: capsule.id, what, problem: problemOf(error) });
    }
  };
  await using undo = new AsyncDisposableStack();
  undo.defer(() => rm(files.directory, { recursive: true, force: true }));
  await rm(files.directory, { recursive: true, force: true });
  await mkdir(files.directory, { recursive: true, mode: 0o700 });
  const layer = await deps.disks.layers.freeze(directory.overlay(record.overlay));
  const layers = [...record.layers, layer];
  let overlay = record.overlay;
  if (request.goesOn) {
    overlay++;
    const disk = directory.overlay(overlay);
    await rm(disk, { force: true });
    await deps.disks.create(
      { path: disk, backing: deps.disks.layers.path(layer), sizeMib: spec.diskMib, uid: slot.uid },
      signal,
    );
  }
  let switched = false;
  undo.defer(async () => {
    // A disk that was switched stays so: the new overlay is the capsule's disk from now on.
    if (switched) await capsule.save({ overlay, layers });
    deps.disks.layers.unpin(layer);
  });

  await step.quiesce();
  undo.defer(() => goOn("thaw", () => guest.thaw(AbortSignal.timeout(QUIESCE_MS))));
  await alive(
    withDeadline("freezing the guest's processes", QUIESCE_MS, signal, (inner) =>
      guest.quiesce({ freeze: true }, inner),
    ),
  );
  await step.stop();
  undo.defer(() => goOn("resume", () => machine.resume(AbortSignal.timeout(QUIESCE_MS))));
  await machine.stop(signal);
  if (request.goesOn) {
    await step.disk(layer);
    await machine.switchDisk(directory.overlay(overlay), signal);
    switched = true;
    await deps.disks.layers.seal(layer);
  }
  await step.deviceState();
  await machine.saveDeviceState(files.deviceState, signal);
  await step.memory();
  const memoryBytes = await deps.memory.save(machine, files.memoryDiff, signal);
  // Machines of later slots, each with a user of its own, read it; nobody else comes through the directory.
  await chmod(files.memoryDiff, 0o444);
  if (request.goesOn) {
    await step.goOn();
    await machine.resume(signal);
    await alive(guest.thaw(signal));
  }
  await Promise.all([
    syncFile(files.deviceState),
    syncFile(files.memoryDiff),
    syncDirectory(files.directory),
    deps.disks.layers.sync(layer),
  ]);
  undo.move();
  return {
    overlay,
    generation: {
      id,
      kind: request.kind,
      ...(request.name === undefined ? {} : { name: request.name }),
      createdAt: deps.clock.now(),
      layers,
      memoryBytes,
      hypervisor: await deps.machines.hypervisor.identity(signal),
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
