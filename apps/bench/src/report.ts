import type { RowResult } from "./harness.ts";
import { figure } from "./figures.ts";
import { describeFacts } from "./machine-facts.ts";
import type { MachineFacts } from "./machine-facts.ts";
import type { LeftOutRow } from "./measurable-rows.ts";
import type { PairedTimes, Target } from "./row.ts";
import { alignTable } from "./table.ts";
import { MIN_SAMPLES, summarisePairs } from "./statistics.ts";
import type { PairedSummary, Summary } from "./statistics.ts";
import { describeTarget, judgeLimit, judgeTarget } from "./verdicts.ts";

/** The table for people: figures next to what is asked, the machine they were measured on, and the rows that it cannot measure. */
export function renderReport(
  facts: MachineFacts,
  results: readonly RowResult[],
  leftOut: readonly LeftOutRow[] = [],
): string {
  const header = ["row", "unit", "n", "min", "p50", "p90", "p99", "max", "asked", ""];
  const lines = results.map(({ name, unit, asked, summary, pairs }) => [
    name,
    unit,
    String(summary.count),
    ...(pairs.length === 0
      ? [summary.min, summary.p50, summary.p90, summary.p99, summary.max].map(figure)
      : // A single ratio below 1 is noise, and no figure of the table.
        ["–", figure(summarisePairs(pairs).ratio.p50), "–", "–", "–"]),
    asked ? describeTarget(asked) : "–",
    asked ? verdictOf(asked, summary, pairs) : "",
  ]);
  return [
    describeFacts(facts),
    "",
    ...alignTable([header, ...lines]),
    "",
    ...pairLines(results),
    ...phaseLines(results),
    ...leftOut.map(({ name, reason }) => `not measured: ${name}: ${reason}`),
    ...(leftOut.length === 0 ? [] : [""]),
  ].join("\n");
}

/** What the answers of each row's requests say of their time, medians in milliseconds. */
function phaseLines(results: readonly RowResult[]): readonly string[] {
  const lines = results.flatMap(({ name, phases }) =>
    phases.map(({ request, phases: times }) => {
      const shown = Object.entries(times).map(([phase, ms]) => `${phase} ${figure(ms)}`);
      return `${name} · ${request}: ${shown.join(", ")}`;
    }),
  );
  return lines.length === 0 ? [] : ["where the time went (p50, ms)", "", ...lines, ""];
}

/** Medians of both sides of the rows that measure pairs, and of the differences of the pairs with interval and quartiles. */
function pairLines(results: readonly RowResult[]): readonly string[] {
  const lines = results.flatMap(({ name, pairs, askedDifferenceMs: asked }) => {
    if (pairs.length === 0) return [];
    const summary = summarisePairs(pairs);
    const verdict =
      asked === undefined
        ? ""
        : `, asked ≤ ${figure(asked)}: ${judgeLimit(summary.difference.interval, asked)}`;
    return [`${name}: ${describePairs(summary)}${verdict}`];
  });
  return lines.length === 0 ? [] : ["paired times (p50, ms)", "", ...lines, ""];
}

/** Both medians, the ratio and the difference of the pairs, or that noise hides the difference. */
export function describePairs({ wholeP50, baseP50, ratio, difference }: PairedSummary): string {
  const medians = `${figure(wholeP50)} and ${figure(baseP50)}`;
  if (!difference.interval || !ratio.interval)
    return `${medians}, difference not resolved (fewer than ${MIN_SAMPLES} pairs)`;
  const [low, high] = difference.interval;
  const isResolved = low > 0 || high < 0;
  const shown = isResolved
    ? `difference ${figure(difference.p50)}`
    : `difference not resolved (±${figure(Math.max(high, -low))})`;
  return (
    `${medians}, ratio ${ratio.interval.map(figure).join(" to ")}, ${shown} ` +
    `(95 % interval ${figure(low)} to ${figure(high)}, quartiles ${figure(difference.p25)} to ${figure(difference.p75)})`
  );
}

/** Of pairs the interval of the median decides. */
function verdictOf(asked: Target, summary: Summary, pairs: readonly PairedTimes[]): string {
  if (pairs.length === 0 || asked.p50 === undefined) return judgeTarget(asked, summary);
  return judgeLimit(summarisePairs(pairs).ratio.interval, asked.p50);
}
