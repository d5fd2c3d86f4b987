import { judge } from "../compare.ts";
import { figure } from "../figures.ts";
import { MIN_SAMPLES, summarisePairs } from "../statistics.ts";
import { alignTable } from "../table.ts";
import type { BasePairs } from "./measure-pairs.ts";

/** Characters of a problem that are shown; answers hold whole envelopes. */
const PROBLEM_LENGTH = 160;

/**
 * Before and after in one table, what the base did not serve, and what was left out.
 *
 * @param leftOut - names of the rows that need more than the public API.
 */
export function renderBaseReport(
  base: string,
  here: string,
  results: readonly BasePairs[],
  leftOut: readonly string[],
): string {
  const header = ["row", "unit", "pairs", base, here, "ratio", "95 % interval", ""];
  const lines = results.filter(({ pairs }) => pairs.length > 0).map(lineOf);
  const problems = results.flatMap(({ name, problem }) =>
    problem === undefined ? [] : [`not served by ${base}: ${name}: ${problem.slice(0, PROBLEM_LENGTH)}`],
  );
  const left = leftOut.length === 0 ? [] : [`need more than the public API: ${leftOut.join("; ")}`];
  return [...(lines.length === 0 ? [] : alignTable([header, ...lines])), "", ...problems, ...left, ""].join(
    "\n",
  );
}

function lineOf({ name, unit, better, pairs }: BasePairs): readonly string[] {
  const { wholeP50, baseP50, ratio } = summarisePairs(pairs);
  const [interval, verdict] = ratio.interval
    ? [`${ratio.interval[0].toFixed(2)} to ${ratio.interval[1].toFixed(2)}`, judge(ratio.interval, better)]
    : ["–", `not resolved (fewer than ${MIN_SAMPLES} pairs)`];
  return [
    name,
    unit,
    String(pairs.length),
    figure(baseP50),
    figure(wholeP50),
    ratio.p50.toFixed(2),
    interval,
    verdict,
  ];
}
