import type { WrennEvent } from "@wrenn/sdk";
import type { TeamEvents } from "./team-events.svelte.ts";

/** Events come in bursts: what they change is read once for those of this time. */
const GATHER_MS = 30;

/**
 * Keeps right what a page has read: it is read again when an event may have changed it, and when events may be missing.
 *
 * @returns what ends it.
 */
export function reloadOn(
  events: TeamEvents,
  isRelevant: (event: WrennEvent) => boolean,
  ...reads: readonly (() => Promise<void>)[]
): () => void {
  let gathering: ReturnType<typeof setTimeout> | undefined;
  const reload = (): void => {
    gathering ??= setTimeout(() => {
      gathering = undefined;
      for (const read of reads) void read();
    }, GATHER_MS);
  };
  const ends = [
    events.listen((event) => {
      if (isRelevant(event)) reload();
    }),
    events.onGap(reload),
  ];
  return () => {
    clearTimeout(gathering);
    for (const end of ends) end();
  };
}

/** Whether an event is about this capsule or something of it. */
export function isAbout(capsuleId: string, { resource }: WrennEvent): boolean {
  return resource?.id.split("/", 1)[0] === capsuleId;
}
