import type { HostAgentDeps } from "../../host-agent-deps.ts";
import { capture } from "./capture-generation.ts";
import type { Generation } from "../../generations/generation.ts";
import type { Step } from "../../steps.ts";
import type { RunningMachine } from "../../machines/running-machine.ts";
import type { Capsule } from "../capsule.ts";

/**
 * Writes a generation of a running capsule, which goes on after a short stop.
 *
 * @returns the generation and for how long the virtual CPUs stood still, in milliseconds.
 */
export async function checkpointCapsule(
  capsule: Capsule,
  running: RunningMachine,
  { kind, name }: { readonly kind: "checkpoint" | "fork"; readonly name?: string },
  deps: HostAgentDeps,
  signal: AbortSignal,
): Promise<{ readonly generation: Generation; readonly stoppedMs: number }> {
  const { directory } = capsule;
  let stoppedAt = 0;
  let stoppedMs = 0;
  let layer: string | undefined;
  const journal = async (step: Step<"checkpoint">): Promise<void> => {
    await directory.writeJournal({
      operation: "checkpoint",
      step,
      at: deps.clock.now(),
      ...(layer === undefined ? {} : { layer }),
    });
    await deps.onStep?.(capsule.id, "checkpoint", step);
  };
  try {
    const { generation, overlay } = await capture(
      capsule,
      running,
      {
        kind,
        ...(name === undefined ? {} : { name }),
        goesOn: true,
        step: {
          quiesce: () => journal("quiesce"),
          stop: async () => {
            await journal("stop");
            stoppedAt = deps.clock.monotonic();
          },
          disk: async (frozen) => {
            layer = frozen;
            await journal("disk");
          },
          deviceState: () => journal("device-state"),
          memory: () => journal("memory"),
          goOn: async () => {
            await journal("continue");
            stoppedMs = deps.clock.monotonic() - stoppedAt;
          },
        },
      },
      deps,
      signal,
    );
    try {
      await journal("commit");
    } finally {
      // Whatever becomes of the generation: this is the disk that the machine writes to now.
      await capsule.save({ overlay, layers: generation.layers });
      for (const layer of generation.layers) deps.disks.layers.unpin(layer);
    }
    await capsule.save({
      generations: [...capsule.record.generations, generation],
      nextGeneration: capsule.record.nextGeneration + 1,
    });
    return { generation, stoppedMs };
  } finally {
    await directory.writeJournal({ operation: "none", at: deps.clock.now() });
  }
}
