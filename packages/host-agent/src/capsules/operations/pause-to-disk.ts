import { mkdir, rm } from "node:fs/promises";
import { problemOf, withDeadline, WrennError } from "@wrenn/core";
import type { CapsuleStatus } from "@wrenn/protocol";
import type { Disks } from "../../disks/disks.ts";
import type { Generation } from "../../generations/generation.ts";
import { onceRunning, requireNoStall, whileAlive } from "../../machines/running-machine.ts";
import type { RunningMachine } from "../../machines/running-machine.ts";
import { mostChangedMemory } from "../../memory/changed-memory.ts";
import type { Capsule } from "../capsule.ts";
import { OperationJournal } from "./operation-journal.ts";
import { leaveMachine, settleInBackground } from "./pause-capsule.ts";
import type { PauseCapsuleDeps } from "./pause-capsule.ts";
import { attempt } from "./release-machine.ts";
import { undoFreeze } from "./undo-stop.ts";

/** Between the request to end and the kill: what `docker stop` gives a container. */
const GRACE_MS = 10_000;
/** A guest that has not shut down after this is switched off: its disk is checked at the next boot. */
const SHUTDOWN_MS = 60_000;
/** The same for a guest that did not answer before: it is not expected to begin now. */
const SILENT_SHUTDOWN_MS = 5000;
const UNDO_MS = 30_000;

export type PauseToDiskDeps = Pick<
  PauseCapsuleDeps,
  "clock" | "connections" | "consoles" | "disks" | "logger" | "machines" | "onStep" | "parked" | "registry"
>;

export type ShutDownDeps = Pick<PauseToDiskDeps, "logger">;

/**
 * Ends the processes of a running capsule, takes its file system off, and keeps nothing but its disk. Open streams end. A guest that
 * does not shut down in time is switched off. Once the shutdown has begun an abort changes nothing. When it fails the capsule runs,
 * without the processes that have ended.
 */
export async function pauseToDisk(
  id: string,
  deps: PauseToDiskDeps,
  signal: AbortSignal,
): Promise<CapsuleStatus> {
  const capsule = deps.registry.require(id);
  const running = capsule.requireRunning();
  const { machine } = running;
  requireNoStall(machine);
  // What the guest has not written yet fits into its memory.
  using _room = await deps.disks.reserve.claim(
    await mostChangedMemory(machine.process.pid, capsule.spec.memoryMib),
    "keep",
  );
  const journal = new OperationJournal(capsule, "pause-disk", deps);
  const isSilent = capsule.health === "not_answering";
  capsule.enter("pausing", running);
  let undo = async (): Promise<void> => {};
  try {
    await deps.connections.drain(id, signal);
    signal.throwIfAborted();
    await journal.step("shutdown");
    undo = () => undoShutDown(capsule, running, deps);
    await shutDownGuest(capsule, running, deps, isSilent ? SILENT_SHUTDOWN_MS : SHUTDOWN_MS);
    await journal.step("stop");
    await stopMachine(running);
    await keepDisk(capsule, machine.identity, deps, () => journal.step("commit"));
  } catch (error) {
    await undo();
    capsule.enter("running", running);
    deps.connections.reset(id);
    await attempt(capsule, "journal", () => journal.clear(), deps);
    throw error;
  }
  // Its streams have no resume to wait for.
  await running.guest.detach();
  await leaveMachine(capsule, running, journal, deps);
  journal.phases.end();
  settleInBackground(capsule, deps);
  return { ...capsule.status(), phases: journal.phases.times() };
}

/**
 * Shuts a guest down as far as it can be: what keeps its disk from being clean is logged, and found again by the next boot.
 *
 * @throws WrennError `disk_full` when the guest could not write what it had to.
 */
export async function shutDownGuest(
  capsule: Capsule,
  { machine, guest }: Pick<RunningMachine, "machine" | "guest">,
  { logger }: ShutDownDeps,
  limitMs: number = SHUTDOWN_MS,
): Promise<void> {
  const limited = <T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> =>
    whileAlive(
      machine,
      withDeadline("shutting down the guest", limitMs, AbortSignal.timeout(2 * limitMs), work),
    );
  let problem: string | undefined;
  try {
    const shutdown = await limited((inner) => guest.shutDown(GRACE_MS, inner));
    // An agent of an earlier version can write everything to the disk, and no more.
    if (!shutdown) await limited((inner) => guest.quiesce({ freeze: true, sync: true }, inner));
    problem = shutdown ? shutdown.problem : "its guest agent is of an earlier version";
    if (shutdown && shutdown.killed > 0)
      logger.info("capsule.processes_killed", { capsule: capsule.id, count: shutdown.killed });
  } catch (error) {
    if (WrennError.is(error, "disk_full")) throw error;
    problem = problemOf(error);
  }
  if (problem !== undefined) logger.warn("capsule.disk_not_clean", { capsule: capsule.id, problem });
}

/** Stops a machine, which writes what its VMM has not written yet. One that has died has nothing to write. */
export async function stopMachine({ machine }: Pick<RunningMachine, "machine">): Promise<void> {
  try {
    await machine.stop(AbortSignal.timeout(SHUTDOWN_MS));
  } catch (error) {
    if (!WrennError.is(error, "machine_died")) throw error;
  }
}

/** Makes the disk of a stopped machine the moment that the capsule starts from. */
export async function keepDisk(
  capsule: Capsule,
  hypervisor: string,
  { clock, disks }: Pick<PauseToDiskDeps, "clock"> & { readonly disks: Pick<Disks, "layers"> },
  commit: () => Promise<void>,
): Promise<void> {
  const { directory, record } = capsule;
  const id = `g${record.nextGeneration}`;
  const files = directory.generation(id);
  await rm(files.directory, { recursive: true, force: true });
  await mkdir(files.directory, { recursive: true, mode: 0o700 });
  const layer = await disks.layers.freeze(directory.overlay(record.overlay));
  try {
    await disks.layers.sync(layer);
    const generation: Generation = {
      id,
      kind: "pause",
      createdAt: clock.now(),
      layers: [...record.layers, layer],
      memoryBytes: 0,
      hypervisor,
      diskOnly: true,
    };
    await commit();
    const { slot: _released, served: _complete, booted: _ended, ...kept } = record;
    await capsule.replace({
      ...kept,
      state: "paused",
      generations: [...kept.generations, generation],
      nextGeneration: kept.nextGeneration + 1,
      current: id,
    });
  } catch (error) {
    await rm(files.directory, { recursive: true, force: true });
    throw error;
  } finally {
    disks.layers.unpin(layer);
  }
}

/** Lets a capsule run on whose guest was shut down in vain: its processes have ended, and its disk can be written again. */
async function undoShutDown(capsule: Capsule, running: RunningMachine, deps: PauseToDiskDeps): Promise<void> {
  const { machine, guest } = running;
  const failed = (error: unknown): void =>
    deps.logger.error("capsule.undo_failed", { capsule: capsule.id, problem: problemOf(error) });
  const work = async (stalled: AbortSignal): Promise<void> => {
    const signal = AbortSignal.any([stalled, AbortSignal.timeout(UNDO_MS)]);
    await deps.machines.letRun(machine, async () => guest, signal);
    await guest.undoShutDown(signal).catch(failed);
  };
  await onceRunning(machine, work, failed).catch(failed);
  // What the guest agent of an earlier version froze.
  await undoFreeze(capsule, running, deps);
}
