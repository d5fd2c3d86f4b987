import type { CapsuleSpec } from "@wrenn/protocol";
import type { HostAgentDeps } from "../../host-agent-deps.ts";
import type { GenerationFiles } from "../../generations/generation.ts";
import type { PreparedMachine } from "../../machines/running-machine.ts";
import type { FrozenTemplate } from "../../templates/frozen-template.ts";
import type { RunningMachine } from "../../machines/running-machine.ts";
import type { Capsule } from "../capsule.ts";
import type { CapsuleRecord } from "../capsule-record.ts";
import { startMachine, journalOf } from "./start-machine.ts";

/** The record of a capsule that does not exist yet. */
export function newRecord(spec: CapsuleSpec, template: FrozenTemplate, now: number): CapsuleRecord {
  return {
    version: 1,
    spec,
    state: "creating",
    template,
    createdAt: now,
    restores: 0,
    overlay: -1,
    layers: [],
    generations: [],
    nextGeneration: 1,
  };
}

/** Where a fork begins: a generation of its parent. */
export interface Parent {
  readonly files: GenerationFiles;
  readonly layers: readonly string[];
}

/** Takes a new capsule to its first machine. Nothing of it is left when that fails. */
export async function createCapsule(
  capsule: Capsule,
  from: { readonly parent?: Parent; readonly prepared?: PreparedMachine },
  deps: HostAgentDeps,
  signal: AbortSignal,
): Promise<RunningMachine> {
  const { directory } = capsule;
  const { parent, prepared } = from;
  await using release = new AsyncDisposableStack();
  release.defer(() => directory.remove());
  try {
    await directory.create(capsule.record);
  } catch (error) {
    await prepared?.guest?.detach();
    await prepared?.machine.destroy();
    if (prepared) await deps.machines.slots.release(prepared.slot);
    throw error;
  }
  const running = await startMachine(
    capsule,
    {
      ...(parent ? { files: parent.files } : {}),
      ...(prepared ? { prepared } : {}),
      layers: parent?.layers ?? [],
      newIdentity: true,
    },
    deps,
    journalOf<"create" | "resume">("create", capsule, deps, signal),
    signal,
  );
  await directory.writeJournal({ operation: "none", at: deps.clock.now() });
  release.move();
  return running;
}
