import { WrennError } from "@wrenn/core";
import type { CheckpointFacts } from "@wrenn/protocol";
import type { FakeFiles } from "./fake-files.ts";
import { FakeProcesses } from "./fake-processes.ts";

/** What a capsule of a fake host has inside. */
export interface FakeContents {
  readonly processes: FakeProcesses;
  readonly files: FakeFiles;
  readonly checkpoints: CheckpointFacts[];
  timeoutSec: number;
  idle: NodeJS.Timeout | undefined;
  holds: number;
}

/** @throws WrennError `checkpoint_not_found`. */
export function findCheckpoint({ checkpoints }: FakeContents, checkpoint: string): CheckpointFacts {
  const found = checkpoints.find(({ id }) => id === checkpoint);
  if (!found) throw new WrennError("checkpoint_not_found", { checkpoint });
  return found;
}

export function newContents(id: string, files: FakeFiles): FakeContents {
  const processes = new FakeProcesses(id, files);
  return { processes, files, checkpoints: [], timeoutSec: 0, idle: undefined, holds: 0 };
}
