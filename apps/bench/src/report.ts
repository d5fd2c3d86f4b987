import type { RowResult } from "./harness.ts";
import type { MachineFacts } from "./machine-facts.ts";
import type { Target } from "./row.ts";
import type { Summary } from "./statistics.ts";

/** The table for people: figures beside what is asked, and the machine they were measured on. */
export function renderReport(facts: MachineFacts, results: readonly RowResult[]): string {
  const header = ["row", "unit", "n", "min", "p50", "p90", "p99", "max", "asked", ""];
  const lines = results.map(({ name, unit, asked, summary }) => [
    name,
    unit,
    String(summary.count),
    ...[summary.min, summary.p50, summary.p90, summary.p99, summary.max].map(figure),
    asked ? describe(asked) : "–",
    asked ? verdict(asked, summary) : "",
  ]);
  const widths = header.map((title, column) =>
    Math.max(title.length, ...lines.map((line) => line[column]?.length ?? 0)),
  );
  const row = (cells: readonly string[]): string =>
    cells
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd();
  return [
    `${facts.cores} × ${facts.cpu}, ${facts.memoryGiB} GiB, kernel ${facts.kernel}, accelerator ${facts.accelerator}, Node ${facts.node}, load ${facts.load.toFixed(2)}, steal ${facts.stealPercent} %`,
    "",
    row(header),
    ...lines.map(row),
    "",
  ].join("\n");
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
