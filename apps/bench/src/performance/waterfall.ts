import { figure } from "../figures.ts";
import { alignTable } from "../table.ts";

const WIDTH = 40;

/**
 * The phases of a request below each other, each with a bar that begins where the one before ends.
 *
 * @param phases - milliseconds, in the order in which they occur. `total` is drawn last, over all.
 * @returns lines of a text block.
 */
export function renderWaterfall(phases: Readonly<Record<string, number>>): readonly string[] {
  const parts = Object.entries(phases).filter(([name]) => name !== "total");
  const sum = parts.reduce((all, [, ms]) => all + ms, 0);
  const total = phases["total"] ?? sum;
  // Medians of phases do not add up to the median of the total.
  const scale = WIDTH / Math.max(total, sum, Number.EPSILON);
  const bars: string[] = [];
  let begun = 0;
  for (const [, ms] of parts) {
    bars.push(bar(begun * scale, ms * scale));
    begun += ms;
  }
  const names = alignTable([...parts.map(([name, ms]) => [name, figure(ms)]), ["total", figure(total)]]);
  return [...bars, bar(0, total * scale)].map((drawn, at) => `${names[at] ?? ""}  ${drawn}`.trimEnd());
}

/** At least a thin line, so that no phase looks as if it did not occur. */
function bar(from: number, length: number): string {
  const blocks = Math.round(from + length) - Math.round(from);
  return " ".repeat(Math.round(from)) + (blocks === 0 ? "▏" : "█".repeat(blocks));
}
