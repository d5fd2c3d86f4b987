import { goals, rows } from "@wrenn/bench";
import type { BenchLimits, BenchProgress, Row } from "@wrenn/bench";
import type { ProgressEvent } from "../output/progress.ts";

export interface BenchOptions {
  readonly rounds: number;
  readonly minutes?: number;
  readonly only?: string;
  readonly json?: string;
  readonly quick?: boolean;
  readonly goals?: boolean;
  readonly peers?: boolean;
  readonly compare?: string;
  readonly base?: string;
}

/** Of `--quick`, which ends within two minutes, starting and ending of the server included. */
const QUICK_MS = 100_000;

/** The rows that the options name, in the order of the table. */
export function chosenRows({
  only = "",
  quick = false,
  goals: onlyGoals = false,
}: Omit<BenchOptions, "rounds">): readonly Row[] {
  return rows.filter(
    (row) =>
      row.name.includes(only) &&
      (!quick || row.isQuick) &&
      (!onlyGoals || goals.some((goal) => goal.row === row)),
  );
}

export function limitsOf({ rounds, minutes, quick }: BenchOptions): BenchLimits {
  const limits = [...(quick ? [QUICK_MS] : []), ...(minutes === undefined ? [] : [minutes * 60_000])];
  return { rounds, ...(limits.length === 0 ? {} : { forMs: Math.min(...limits) }) };
}

/** Each round is a step, so that logs, which show only steps, have the remaining time as well. */
export function shownProgress({ row, index, rows, round, rounds, leftMs }: BenchProgress): ProgressEvent {
  if (round === undefined) return { step: "preparing", fraction: index / rows, detail: row };
  const left = leftMs === undefined ? "" : `, ${remaining(leftMs)} left`;
  return { step: `round ${round} of ${rounds}${left}`, fraction: index / rows, detail: row };
}

function remaining(ms: number): string {
  return ms < 90_000 ? `${Math.ceil(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`;
}
