import { problemOf } from "@wrenn/core";
import type { Check, CheckResult, Finding } from "./check.ts";
import { fail } from "./check.ts";
import type { Probe } from "./probe.ts";

export interface DoctorOptions {
  readonly probe: Probe;
  /** What to look at, see {@link standardChecks}. */
  readonly checks: readonly Check[];
  /** Checks that other packages bring; they come last. */
  readonly extra?: readonly Check[];
  readonly signal: AbortSignal;
}

/**
 * Makes every check, one after the other, so that none disturbs another's measurement. A check that throws has failed.
 *
 * @throws the signal's reason when it aborts.
 */
export async function runDoctor(options: DoctorOptions): Promise<readonly CheckResult[]> {
  const results: CheckResult[] = [];
  for (const check of [...options.checks, ...(options.extra ?? [])]) {
    options.signal.throwIfAborted();
    const { id, title, why } = check;
    results.push({ id, title, why, ...(await inspect(check, options)) });
  }
  options.signal.throwIfAborted();
  return results;
}

/** Whether capsules can run: no check failed. */
export function isHealthy(results: readonly CheckResult[]): boolean {
  return results.every(({ status }) => status !== "fail");
}

async function inspect(check: Check, { probe, signal }: DoctorOptions): Promise<Finding> {
  try {
    return await check.inspect(probe, signal);
  } catch (error) {
    return fail(
      `cannot be checked: ${problemOf(error)}`,
      "Repair what the message names, then run the doctor again.",
    );
  }
}
