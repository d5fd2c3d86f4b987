import { basename } from "node:path";
import { abortable, defined, problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import type { CapsuleStatus } from "@wrenn/protocol";
import type { ConsoleKeeper } from "../../console/console-keeper.ts";
import type { Disks } from "../../disks/disks.ts";
import type { Machines } from "../../machines/machines.ts";
import type { Templates } from "../../templates/template-store.ts";
import { onceRunning } from "../../machines/running-machine.ts";
import type { RunningMachine } from "../../machines/running-machine.ts";
import { Capsule } from "../capsule.ts";
import { CapsuleDirectory } from "../capsule-directory.ts";
import type { JournalEntry } from "../capsule-record.ts";
import type { Generation } from "../../generations/generation.ts";
import { finishPauseToDisk } from "./finish-pause-to-disk.ts";
import { inParallel } from "./in-parallel.ts";
import { sealLayers } from "./pause-capsule.ts";

const ANSWER_MS = 10_000;
/** Capsules taken over at a time: each mostly waits for its machine and its guest. */
const WIDTH = 8;
/** Attempts to reach a guest whose machine was stalled while it was taken over. */
const LATE_ATTEMPTS = 10;

export interface RecoverCapsulesDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly machines: Machines<"adopt" | "release">;
  readonly disks: Pick<Disks, "layers">;
  readonly templates: Pick<Templates, "snapshots">;
  readonly consoles: Pick<ConsoleKeeper, "collect">;
  readonly capsulesDirectory: string;
}

/**
 * Takes over what an earlier host agent left: live machines are adopted, operations it was in the middle of are finished
 * when their commit was written and rolled back otherwise, and what is neither is removed. Every capsule ends up running,
 * paused, failed, or gone.
 */
export async function recoverCapsules(
  deps: RecoverCapsulesDeps,
  announce: (status: CapsuleStatus) => void,
  signal: AbortSignal,
): Promise<readonly Capsule[]> {
  const ids = await CapsuleDirectory.list(deps.capsulesDirectory);
  const pooled = await CapsuleDirectory.listPooled(deps.capsulesDirectory);
  const removing = inParallel(pooled, WIDTH, async (name) => {
    await removePooled(new CapsuleDirectory(deps.capsulesDirectory, name), deps, signal).catch(
      (error: unknown) =>
        deps.logger.error("pool.removal_failed", { machine: name, problem: problemOf(error) }),
    );
  });
  const recovered = await inParallel(ids, WIDTH, async (id) => {
    const directory = await CapsuleDirectory.find(deps.capsulesDirectory, id);
    try {
      const capsule = await recoverCapsule(directory, deps, announce, signal);
      deps.logger.info("capsule.recovered", { capsule: id, state: capsule?.state ?? "gone" });
      return capsule;
    } catch (error) {
      // One capsule that resists must not keep the others, and the server, from starting.
      deps.logger.error("capsule.recovery_failed", { capsule: id, problem: problemOf(error) });
      return undefined;
    }
  });
  await removing;
  return recovered.filter((capsule) => capsule !== undefined);
}

async function recoverCapsule(
  directory: CapsuleDirectory,
  deps: RecoverCapsulesDeps,
  announce: (status: CapsuleStatus) => void,
  signal: AbortSignal,
): Promise<Capsule | undefined> {
  const record = await directory.readRecord();
  const journal = (await directory.readJournal().catch(() => undefined)) ?? noOperation;
  const slot =
    record?.slot === undefined
      ? undefined
      : deps.machines.slots.adopt(record.slot, {
          capsule: record.spec.id,
          ...defined({ team: record.spec.team }),
        });
  const machine = await deps.machines.hypervisor.adopt(directory.run, signal);
  const release = async (): Promise<void> => {
    if (record) await deps.consoles.collect(directory);
    await machine?.destroy();
    await deps.machines.hypervisor.clear(basename(directory.path), directory.run);
    if (slot) await deps.machines.slots.release(slot);
  };
  if (!record || record.state === "creating" || journal.operation === "destroy") {
    await release();
    await directory.remove();
    return undefined;
  }
  if (journal.operation === "snapshot" && journal.template !== undefined) {
    await deps.templates.snapshots.remove(journal.template);
    const freezing = await deps.machines.hypervisor.adopt(directory.freezing, signal);
    await freezing?.destroy();
  }
  const capsule = new Capsule(record, directory, deps.clock, announce);
  // A fork that was interrupted: its children have what they need of it, or are gone.
  if (record.generations.some(isOfFork)) await capsule.dropGenerations(isOfFork);
  if (record.state === "paused") {
    // A resume that was not committed, or a pause that was: either way the generation counts and the machine goes.
    await release();
    await sealLayers(capsule, deps.disks);
    await directory.tidy(record);
    await directory.clearJournal(deps.clock.now());
    return capsule;
  }
  if (
    journal.operation === "pause-disk" &&
    (await finishPauseToDisk(capsule, machine, journal, deps, signal))
  ) {
    await release();
    await sealLayers(capsule, deps.disks);
    await directory.tidy(capsule.record);
    await directory.clearJournal(deps.clock.now());
    capsule.enter("paused");
    return capsule;
  }
  if (!machine && record.served) {
    // Its page server ended with the earlier host agent, in the first moments after a resume.
    await release();
    await capsule.fallBack();
    await directory.clearJournal(deps.clock.now());
    deps.logger.warn("capsule.fell_back", { capsule: capsule.id, generation: capsule.record.current ?? "" });
    return capsule;
  }
  if (!machine || !slot) {
    await release();
    capsule.fail(
      `the capsule's machine died while no host agent ran${machine ? ": its network is gone" : ""}`,
    );
    return capsule;
  }
  const running = await takeOverMachine(capsule, { machine, slot }, journal, deps, signal);
  if (!running) {
    await release();
    return capsule;
  }
  await directory.tidy(capsule.record);
  await directory.clearJournal(deps.clock.now());
  capsule.enter("running", running);
  return capsule;
}

/** Removes a machine of the pool; its slot is swept with all others that no capsule adopts. */
async function removePooled(
  directory: CapsuleDirectory,
  deps: RecoverCapsulesDeps,
  signal: AbortSignal,
): Promise<void> {
  const machine = await deps.machines.hypervisor.adopt(directory.run, signal);
  await machine?.destroy();
  await deps.machines.hypervisor.clear(directory.id, directory.run);
  await directory.remove();
}

function isOfFork({ kind }: Generation): boolean {
  return kind === "fork";
}

const noOperation: JournalEntry = { operation: "none", at: 0 };

/** Connects to the guest of a live machine, which runs on where an interrupted pause or checkpoint had stopped it. */
async function takeOverMachine(
  capsule: Capsule,
  { machine, slot }: Pick<RunningMachine, "machine" | "slot">,
  journal: JournalEntry,
  deps: RecoverCapsulesDeps,
  signal: AbortSignal,
): Promise<RunningMachine | undefined> {
  try {
    const interrupted = journal.operation.startsWith("pause") || journal.operation === "checkpoint";
    if (interrupted) await adoptSwitchedDisk(capsule, await machine.activeDisk(signal), journal.layer);
    // With a full disk the capsule is what it was: its guest answers when there is room, and the requests for it wait.
    const guest = deps.machines.openGuest(machine, () => capsule.noteTraffic());
    try {
      await greetGuest(capsule, { machine, guest }, { journal, interrupted }, deps, signal);
    } catch (error) {
      await guest.detach();
      throw error;
    }
    return { machine, guest, slot };
  } catch (error) {
    deps.logger.error("capsule.takeover_failed", { capsule: capsule.id, problem: problemOf(error) });
    capsule.fail(`the capsule could not be taken over: ${problemOf(error)}`);
    return undefined;
  }
}

/**
 * Gives a guest the time, finds the processes in it that an earlier host agent knew, and lets them run. A guest that could not
 * answer until now gets more attempts.
 */
async function greetGuest(
  capsule: Capsule,
  { machine, guest }: Pick<RunningMachine, "machine" | "guest">,
  { journal, interrupted }: { readonly journal: JournalEntry; readonly interrupted: boolean },
  deps: RecoverCapsulesDeps,
  signal: AbortSignal,
): Promise<void> {
  const { clocks, letRun } = deps.machines;
  const greet = async (stalled: AbortSignal): Promise<void> => {
    const answer = AbortSignal.any([stalled, AbortSignal.timeout(ANSWER_MS)]);
    if (interrupted) await letRun(machine, async () => guest, answer);
    else await clocks.check(machine, guest, answer);
    await guest.recover(answer);
    if (journal.operation === "pause-disk") await guest.undoShutDown(answer);
    // Nothing is frozen unless an operation was interrupted, by this host agent's predecessor or by the one before.
    await guest.thaw(answer);
  };
  let attempts = 0;
  const failed = (cause: unknown): void => {
    deps.logger.error("capsule.takeover_failed", { capsule: capsule.id, problem: problemOf(cause) });
    if (WrennError.is(cause, "machine_died") || ++attempts === LATE_ATTEMPTS) return;
    onceRunning(machine, greet, failed).catch(failed);
  };
  await abortable(signal, onceRunning(machine, greet, failed));
}

/** A checkpoint may have put the machine on a new overlay without having written that down. */
async function adoptSwitchedDisk(capsule: Capsule, active: string, layer: string | undefined): Promise<void> {
  const { record, directory } = capsule;
  if (layer === undefined || active !== directory.overlay(record.overlay + 1)) return;
  await capsule.save({ overlay: record.overlay + 1, layers: [...record.layers, layer] });
}
