import { sleep } from "../transport/abort.ts";
import type { ProcessApi } from "./process-api.ts";

/** A command that ignores SIGTERM is killed after this. */
const KILL_AFTER_MS = 2000;
/** Ending a command takes no longer than this, whether or not the server answers. */
const END_MS = 6000;
const FIRST_LOOK_MS = 20;
/** When it is looked for a command whose start was given up in its last moment. */
const START_RACE_MS = [200, 800];

/**
 * Ends a process and everything it started: SIGTERM, and SIGKILL for what is there 2 s later. As far as the server can be reached
 * within 6 s; what fails is not reported, as the caller has an error of its own to report.
 *
 * @returns whether the process was known.
 */
export async function endProcess(api: ProcessApi, selector: string): Promise<boolean> {
  const controller = new AbortController();
  const { signal } = controller;
  const timer = setTimeout(() => controller.abort(new Error("the process does not end")), END_MS);
  try {
    if (!(await api.signal(selector, "SIGTERM", "tree", signal))) return false;
    await ended(api, selector, signal).catch(() => undefined);
    // Also when the process itself has ended: what it started may still be there.
    await api.signal(selector, "SIGKILL", "tree", signal);
    return true;
  } catch {
    return true;
  } finally {
    clearTimeout(timer);
  }
}

/** {@link endProcess} for a command that may have been started in this moment. */
export async function endStarting(api: ProcessApi, tag: string): Promise<void> {
  for (const delayMs of START_RACE_MS) {
    if (await endProcess(api, tag)) return;
    await sleep(delayMs);
  }
  await endProcess(api, tag);
}

/** Resolves when the process has ended, or has had its time for that. */
async function ended(api: ProcessApi, selector: string, signal: AbortSignal): Promise<void> {
  const until = performance.now() + KILL_AFTER_MS;
  for (let delayMs = FIRST_LOOK_MS; performance.now() < until; delayMs *= 2) {
    await sleep(Math.min(delayMs, Math.max(0, until - performance.now())), signal);
    if ((await api.get(selector, { signal })).exit) return;
  }
}
