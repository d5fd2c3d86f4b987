import { WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import type { ReadinessCheck } from "@wrenn/recipe";

/**
 * Tries until an attempt succeeds.
 *
 * @param attempt - one try; what it resolves with is why it failed, or nothing.
 * @throws WrennError `build_not_ready` once it has failed too often, or for too long.
 */
export async function untilReady(
  { intervalMs, startPeriodMs, retries, deadlineMs }: Omit<ReadinessCheck, "command">,
  attempt: () => Promise<string | undefined>,
  clock: Pick<Clock, "monotonic" | "sleep">,
  signal: AbortSignal,
): Promise<void> {
  const startedAt = clock.monotonic();
  for (let failures = 0; ;) {
    const problem = await attempt();
    if (problem === undefined) return;
    const elapsed = clock.monotonic() - startedAt;
    if (elapsed >= startPeriodMs) failures++;
    if ((retries > 0 && failures > retries) || elapsed + intervalMs > deadlineMs)
      throw new WrennError("build_not_ready", { seconds: Math.round(elapsed / 1000), problem });
    await clock.sleep(intervalMs, signal);
  }
}
