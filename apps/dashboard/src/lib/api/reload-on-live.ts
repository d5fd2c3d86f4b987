import type { Capsule } from "@wrenn/sdk";

/** Events come in bursts, up to a hundred a second: what they change is read once for those of this time. */
const GATHER_MS = 100;
/** What happens before the stream is open is in no event: it is looked for once more after this time. */
const OPENING_MS = 1000;

/**
 * Reads again whenever something happens in a capsule that is not stored, such as a decision about a connection.
 *
 * @throws as `Capsule.events`; the reason of the signal.
 */
export async function reloadOnLive(
  capsule: Capsule,
  kinds: "process.*" | "network.*",
  read: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  let due: ReturnType<typeof setTimeout> | undefined;
  const readIn = (ms: number): void => {
    due ??= setTimeout(() => {
      due = undefined;
      void read();
    }, ms);
  };
  await read();
  readIn(OPENING_MS);
  try {
    for await (const event of capsule.events({ follow: true, types: [kinds], signal }))
      if (event.type !== "capsule.destroyed") readIn(GATHER_MS);
  } finally {
    clearTimeout(due);
  }
}
