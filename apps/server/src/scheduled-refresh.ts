import { DAY_MS, problemOf } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import type { RefreshResult } from "./refresh-result.ts";

/** How often a server looks whether a refresh is due. */
const LOOK_MS = 15 * 60_000;
/** After a failure, such as a mirror that does not answer. */
const RETRY_MS = 6 * 60 * 60_000;
/** A host is calm below this load for each processor; a build takes one of them for minutes. */
const CALM_LOAD = 0.5;
/** A host that is never calm refreshes this long after it is due. */
const PATIENCE_MS = DAY_MS;

/** Whether a refresh begins now. */
export function isRefreshDue(at: {
  readonly nowMs: number;
  /** When packages were last compared or built. */
  readonly lastMs: number;
  readonly everyMs: number;
  /** Load of the last minute, for each processor. */
  readonly load: number;
}): boolean {
  const dueMs = at.lastMs + at.everyMs;
  return at.nowMs >= dueMs && (at.load < CALM_LOAD || at.nowMs >= dueMs + PATIENCE_MS);
}

export interface ScheduledRefreshDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** When the packages of the template were last compared or built, ms since 1970. */
  readonly lastAt: () => Promise<number>;
  readonly load: () => number;
  readonly refresh: (signal: AbortSignal) => Promise<RefreshResult>;
}

/** Refreshes the built-in template every `everyMs`, while the host is calm. Dispose of it to end it, and a refresh under way. */
export function scheduleRefresh(
  { clock, logger, lastAt, load, refresh }: ScheduledRefreshDeps,
  everyMs: number,
): AsyncDisposable {
  const closing = new AbortController();
  const { signal } = closing;
  const tick = async (): Promise<void> => {
    if (!isRefreshDue({ nowMs: clock.now(), lastMs: await lastAt(), everyMs, load: load() })) return;
    const startedAt = clock.monotonic();
    const { template, outcome, packages, kernel } = await refresh(signal);
    logger.info("template.refresh_ended", {
      template,
      outcome,
      packages: packages.length,
      kernel: kernel.after ?? "",
      seconds: Math.round((clock.monotonic() - startedAt) / 1000),
    });
  };
  const run = async (): Promise<void> => {
    // First of all the server starts.
    for (let waitMs = LOOK_MS; !signal.aborted;) {
      await clock.sleep(waitMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      try {
        await tick();
        waitMs = LOOK_MS;
      } catch (error) {
        if (signal.aborted) return;
        logger.error("template.refresh_failed", { problem: problemOf(error) });
        waitMs = RETRY_MS;
      }
    }
  };
  const running = run();
  return {
    [Symbol.asyncDispose]: async () => {
      closing.abort(new Error("the server is closing"));
      await running;
    },
  };
}
