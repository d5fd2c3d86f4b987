import { problemOf } from "@wrenn/core";
import type { HostAgentDeps } from "../../host-agent-deps.ts";
import { capture } from "./capture-generation.ts";
import type { Step } from "../../steps.ts";
import type { Capsule } from "../capsule.ts";
import { whileAlive } from "../../machines/running-machine.ts";
import type { RunningMachine } from "../../machines/running-machine.ts";

/**
 * Freezes a running capsule into a new generation and gives its machine, memory and slot back. Open streams wait for the
 * next resume. When it fails the capsule runs on. The slot is the caller's to release: nobody has to wait for it.
 */
export async function pauseCapsule(
  capsule: Capsule,
  running: RunningMachine,
  deps: HostAgentDeps,
  signal: AbortSignal,
): Promise<void> {
  const { directory } = capsule;
  const journal = async (name: Step<"pause">): Promise<void> => {
    await directory.writeJournal({ operation: "pause", step: name, at: deps.clock.now() });
    await deps.onStep?.(capsule.id, "pause", name);
  };
  capsule.enter("pausing", running);
  try {
    await deps.connections.drain(capsule.id, signal);
    const { generation } = await capture(
      capsule,
      running,
      {
        kind: "pause",
        goesOn: false,
        step: {
          quiesce: () => journal("quiesce"),
          stop: () => journal("stop"),
          disk: async () => {},
          deviceState: () => journal("device-state"),
          memory: () => journal("memory"),
          goOn: async () => {},
        },
      },
      deps,
      signal,
    );
    try {
      await journal("commit");
      const { slot: _released, served: _complete, ...kept } = capsule.record;
      await capsule.replace({
        ...kept,
        state: "paused",
        generations: [...kept.generations, generation],
        nextGeneration: kept.nextGeneration + 1,
        current: generation.id,
      });
    } catch (error) {
      await running.machine.resume(signal);
      await whileAlive(running.machine, running.guest.thaw(signal));
      throw error;
    } finally {
      for (const layer of generation.layers) deps.disks.layers.unpin(layer);
    }
  } catch (error) {
    capsule.enter("running", running);
    deps.connections.reset(capsule.id);
    await directory.writeJournal({ operation: "none", at: deps.clock.now() });
    throw error;
  }
  await releaseMachine(capsule, running, deps, journal);
}

/** The last overlay has become a layer that later machines of other users read. */
export async function sealLayers(capsule: Capsule, deps: HostAgentDeps): Promise<void> {
  const layers = new Set(capsule.record.generations.flatMap((generation) => generation.layers));
  for (const layer of layers) await deps.disks.layers.seal(layer);
}

/** The generation is safe: from here on nothing leads back to the machine. */
async function releaseMachine(
  capsule: Capsule,
  running: RunningMachine,
  deps: HostAgentDeps,
  journal: (name: Step<"pause">) => Promise<void>,
): Promise<void> {
  running.guest.suspend();
  capsule.suspended = running.guest;
  try {
    await journal("release");
  } catch (error) {
    deps.logger.warn("capsule.journal_failed", { capsule: capsule.id, problem: problemOf(error) });
  }
  capsule.enter("paused");
  await running.machine.destroy();
  await running.pages?.stop();
  await sealLayers(capsule, deps);
  await capsule.directory.writeJournal({ operation: "none", at: deps.clock.now() });
}
