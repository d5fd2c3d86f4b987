import { once } from "node:events";

/** Resolves when the process is asked to end, also by the end of its terminal. */
export async function untilInterrupted(): Promise<void> {
  await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM"), once(process, "SIGHUP")]);
}
