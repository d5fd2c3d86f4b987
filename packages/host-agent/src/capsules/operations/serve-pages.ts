import { problemOf, withDeadline } from "@wrenn/core";
import type { Slot } from "@wrenn/network";
import type { ServedMemory } from "@wrenn/vmm";
import type { Logger } from "@wrenn/core";
import type { Memory, ServedPages } from "../../memory/memory.ts";
import type { Capsule } from "../capsule.ts";
import { whileAlive } from "../../machines/running-machine.ts";
import type { RunningMachine } from "../../machines/running-machine.ts";

/** The rest of a memory comes in within seconds; a host that is busy may take many times that. */
const FILL_MS = 120_000;

export interface ServePagesDeps {
  readonly logger: Logger;
  readonly memory: Pick<Memory, "packed">;
}

/** Starts the page server for a machine of the capsule that starts from packed memory, which lies over `base`. */
export async function servePages(
  capsule: Capsule,
  { packed, base }: { readonly packed: string; readonly base: string },
  { uid, pageServerUid }: Pick<Slot, "uid" | "pageServerUid">,
  deps: ServePagesDeps,
  signal: AbortSignal,
): Promise<{ readonly pages: ServedPages; readonly machine: ServedMemory }> {
  const { directory, spec } = capsule;
  const machine = { socket: directory.pagesSocket, ranges: directory.pagesRanges };
  const pages = await deps.memory.packed.serve(
    {
      packed,
      base,
      memoryMib: spec.memoryMib,
      machine,
      uid,
      serverUid: pageServerUid,
      workingSet: directory.workingSet,
    },
    signal,
  );
  void pages.ended.then((problem) => {
    if (problem)
      deps.logger.error("capsule.page_server_failed", { capsule: capsule.id, problem: problemOf(problem) });
  });
  return { pages, machine };
}

/** Waits until the machine has all of its memory: only then do its own pages tell what is to be frozen. */
export async function untilComplete({ machine, pages }: RunningMachine, signal: AbortSignal): Promise<void> {
  if (!pages || pages.isComplete()) return;
  const problem = await withDeadline("bringing in the capsule's packed memory", FILL_MS, signal, () =>
    whileAlive(machine, pages.ended),
  );
  if (problem) throw problem;
}
