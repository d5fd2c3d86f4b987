import { createAnswered, createToExec } from "../rows/capsule-life.ts";
import { fork, pause, resume } from "../rows/freezing.ts";
import { createPooledAnswered } from "../rows/prepared.ts";
import type { RowSummary } from "./stored-performance.ts";
import { renderWaterfall } from "./waterfall.ts";

/** Requests whose phases the page draws, and the rows that send them. */
const drawn = [
  { title: "Create, nothing waiting", row: createAnswered, request: "create" },
  { title: "Create, a warmed machine waiting", row: createPooledAnswered, request: "create" },
  { title: "First command (`sh`)", row: createToExec, request: "exec" },
  { title: "Resume", row: resume, request: "resume" },
  { title: "Pause", row: pause, request: "pause" },
  { title: "Fork of ten", row: fork, request: "fork" },
] as const;

/** A section with one waterfall for each path of which the run has phases; empty where it has none. */
export function renderWaterfalls(rows: readonly RowSummary[]): string {
  const sections = drawn.flatMap(({ title, row, request }) => {
    const summary = rows.find(({ name }) => name === row.name);
    const phases = summary?.phases?.find((one) => one.request === request)?.phases;
    if (!phases) return [];
    return [`### ${title}\n`, `${["```text", ...renderWaterfall(phases), "```"].join("\n")}\n`];
  });
  if (sections.length === 0) return "";
  return [
    "## Waterfalls\n",
    "Medians of the phases that answers carry as [`Server-Timing`](server-timing.md), in milliseconds.\n",
    ...sections,
  ].join("\n");
}
