import { figure } from "./figures.ts";
import type { Target } from "./row.ts";
import { MIN_SAMPLES } from "./statistics.ts";

/** Whether a number is as low, or as high, as it was asked to be. */
export type Verdict = "met" | "missed" | "not decided, too much noise" | "not decided, too few samples";

const quantiles = ["p50", "p99"] as const;

/**
 * Whether a value is at most `limit`, by the interval in which it is. On a busy machine the noise can be greater than what is asked.
 *
 * @param interval - undefined where too few samples give none.
 */
export function judgeLimit(
  interval: readonly [low: number, high: number] | undefined,
  limit: number,
): Verdict {
  if (interval === undefined) return "not decided, too few samples";
  const [low, high] = interval;
  if (high <= limit) return "met";
  return low > limit ? "missed" : "not decided, too much noise";
}

/** Whether each quantile that is asked is met. */
export function judgeTarget(
  asked: Target,
  measured: { readonly count: number; readonly p50: number; readonly p99: number },
): Verdict {
  if (measured.count < MIN_SAMPLES) return "not decided, too few samples";
  const isMet = quantiles.every((name) => {
    const limit = asked[name];
    return (
      limit === undefined || (asked.better === "lower" ? measured[name] <= limit : measured[name] >= limit)
    );
  });
  return isMet ? "met" : "missed";
}

/** What is asked of a row, for people. */
export function describeTarget(asked: Target): string {
  const sign = asked.better === "lower" ? "≤" : "≥";
  return quantiles
    .flatMap((name) => (asked[name] === undefined ? [] : [`${name} ${sign} ${figure(asked[name])}`]))
    .join(", ");
}
