import type { BenchContext, Row, RunningRow } from "./row.ts";
import { summarise } from "./statistics.ts";
import type { Summary } from "./statistics.ts";

const WARM_UP_ROUNDS = 2;

export interface RowResult {
  readonly name: string;
  readonly unit: Row["unit"];
  readonly asked: Row["asked"];
  readonly samples: readonly number[];
  readonly summary: Summary;
}

/**
 * Measures every row in interleaved rounds: a slow minute of the machine is spread over all of them. The first rounds are
 * thrown away.
 */
export async function measure(
  rows: readonly Row[],
  rounds: number,
  context: BenchContext,
  onRound: (round: number) => void,
): Promise<readonly RowResult[]> {
  await using stack = new AsyncDisposableStack();
  const running: { readonly row: Row; readonly work: RunningRow; readonly samples: number[] }[] = [];
  for (const row of rows) {
    const work = await row.prepare(context);
    stack.defer(() => work.dispose());
    running.push({ row, work, samples: [] });
  }
  for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
    onRound(round);
    for (const { work, samples } of running) {
      context.signal.throwIfAborted();
      const value = await work.sample();
      if (round >= 0) samples.push(...(typeof value === "number" ? [value] : value));
    }
  }
  return running.map(({ row, samples }) => ({
    name: row.name,
    unit: row.unit,
    asked: row.asked,
    samples,
    summary: summarise(samples),
  }));
}
