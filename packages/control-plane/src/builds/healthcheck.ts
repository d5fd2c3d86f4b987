import { WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import { goDuration } from "./go-duration.ts";

/** How a template is found to be ready, as a request writes it: `[--interval=3s] [--timeout=10s] [--start-period=0s] [--retries=0] command`. */
export interface Healthcheck {
  readonly command: string;
  readonly intervalMs: number;
  /** Of one attempt. */
  readonly timeoutMs: number;
  /** Failures before this time has passed do not count. */
  readonly startPeriodMs: number;
  /** Failures in a row after which it is given up; 0: only the deadline ends it. */
  readonly retries: number;
  /** For everything, milliseconds: nothing waits for ever. */
  readonly deadlineMs: number;
}

const FLAG = /^--([a-z-]+)=(\S+)\s+/;
const INTERVAL_MS = 3000;
const TIMEOUT_MS = 10_000;
/** A check without a number of retries is given up after this. */
const WITHOUT_RETRIES_MS = 10 * 60_000;
const MAX_RETRIES = 1000;

/** @returns undefined for an empty text. @throws WrennError `invalid_field` for a flag that is unknown or has no such value, and without a command. */
export function parseHealthcheck(text: string): Healthcheck | undefined {
  let rest = text.trim();
  if (rest === "") return undefined;
  const found = { interval: INTERVAL_MS, timeout: TIMEOUT_MS, "start-period": 0, retries: 0 };
  const isFlag = (name: string): name is keyof typeof found => Object.hasOwn(found, name);
  for (let match = FLAG.exec(rest); match; match = FLAG.exec(rest)) {
    const [whole, name = "", value = ""] = match;
    if (!isFlag(name)) throw refused(`has no flag --${name}`);
    const number = name === "retries" ? retriesOf(value) : goDuration(value);
    if (number === undefined || (name === "interval" && number === 0))
      throw refused(`has a wrong value: --${name}=${value}`);
    found[name] = number;
    rest = rest.slice(whole.length);
  }
  if (rest.startsWith("--")) throw refused("has a flag that is not --name=value, or no command");
  const { interval: intervalMs, timeout: timeoutMs, "start-period": startPeriodMs, retries } = found;
  const attemptsMs = retries === 0 ? WITHOUT_RETRIES_MS : (retries + 1) * (intervalMs + timeoutMs);
  return {
    command: rest,
    intervalMs,
    timeoutMs,
    startPeriodMs,
    retries,
    deadlineMs: startPeriodMs + attemptsMs,
  };
}

/**
 * Tries until an attempt succeeds.
 *
 * @param attempt - one try; what it resolves with is why it failed, or nothing.
 * @throws WrennError `build_not_ready` once it has failed too often, or for too long.
 */
export async function untilHealthy(
  { intervalMs, startPeriodMs, retries, deadlineMs }: Healthcheck,
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

function retriesOf(value: string): number | undefined {
  const number = Number(value);
  return Number.isInteger(number) && number >= 0 && number <= MAX_RETRIES ? number : undefined;
}

function refused(problem: string): WrennError {
  return new WrennError("invalid_field", { field: "healthcheck", problem });
}
