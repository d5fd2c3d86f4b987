import type { RowResult } from "./harness.ts";
import type { MachineFacts } from "./machine-facts.ts";
import type { PairedTimes, Target } from "./row.ts";
import { alignTable } from "./table.ts";
import { summarisePairs } from "./statistics.ts";
import type { Summary } from "./statistics.ts";

/** The table for people: figures beside what is asked, and the machine they were measured on. */
export function renderReport(facts: MachineFacts, results: readonly RowResult[]): string {
  const header = ["row", "unit", "n", "min", "p50", "p90", "p99", "max", "asked", ""];
  const lines = results.map(({ name, unit, asked, summary, pairs }) => [
    name,
    unit,
    String(summary.count),
    ...(pairs.length === 0
      ? [summary.min, summary.p50, summary.p90, summary.p99, summary.max].map(figure)
      : // A single ratio below 1 is noise, and no figure of the table.
        ["–", figure(summarisePairs(pairs).ratio.p50), "–", "–", "–"]),
    asked ? describe(asked) : "–",
    asked ? verdictOf(asked, summary, pairs) : "",
  ]);
  return [
    `${facts.cores} × ${facts.cpu}, ${facts.memoryGiB} GiB, kernel ${facts.kernel}, ${facts.machineProgram}, accelerator ${facts.accelerator}, Node ${facts.node}, load ${facts.load.toFixed(2)}, steal ${facts.stealPercent} %`,
    "",
    ...alignTable([header, ...lines]),
    "",
    ...pairLines(results),
    ...phaseLines(results),
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
    const { wholeP50, baseP50, difference, ratio } = summarisePairs(pairs);
    const [low, high] = difference.interval;
    const isResolved = low > 0 || high < 0;
    const shown = isResolved
      ? `difference ${figure(difference.p50)}`
      : `difference not resolved (±${figure(Math.max(high, -low))})`;
    return [
      `${name}: ${figure(wholeP50)} and ${figure(baseP50)}, ratio ${ratio.interval.map(figure).join(" to ")}, ${shown} ` +
        `(95 % interval ${figure(low)} to ${figure(high)}, quartiles ${figure(difference.p25)} to ${figure(difference.p75)})` +
        (asked === undefined ? "" : `, asked ≤ ${figure(asked)}: ${intervalVerdict(low, high, asked)}`),
    ];
  });
  return lines.length === 0 ? [] : ["paired times (p50, ms)", "", ...lines, ""];
}

/** On a busy machine the noise can be greater than what is asked. */
function intervalVerdict(low: number, high: number, asked: number): string {
  if (high <= asked) return "met";
  return low > asked ? "missed" : "not decided, too much noise";
}

function figure(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2);
}

function describe(asked: Target): string {
  const sign = asked.better === "lower" ? "≤" : "≥";
  return quantiles
    .flatMap((name) => (asked[name] === undefined ? [] : [`${name} ${sign} ${figure(asked[name])}`]))
    .join(", ");
}

/** Of pairs the interval of the median decides. */
function verdictOf(asked: Target, summary: Summary, pairs: readonly PairedTimes[]): string {
  if (pairs.length === 0 || asked.p50 === undefined) return verdict(asked, summary);
  return intervalVerdict(...summarisePairs(pairs).ratio.interval, asked.p50);
}

function verdict(asked: Target, summary: Summary): string {
  const met = quantiles.every((name) => {
    const limit = asked[name];
    return (
      limit === undefined || (asked.better === "lower" ? summary[name] <= limit : summary[name] >= limit)
    );
  });
  return met ? "met" : "missed";
}

const quantiles = ["p50", "p99"] as const;
