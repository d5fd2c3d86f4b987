import assert from "node:assert/strict";
import { join } from "node:path";

/** The script of both twins, to be run where the trees are. */
export const treeTrialScript = join(import.meta.dirname, "tree-trial.py");

/** What was done to one twin by coreutils and is to be done to the other by the file calls. */
export interface TreeStep {
  readonly verb: "copy" | "move" | "remove" | "chmod" | "mkdir";
  readonly source: string;
  readonly destination?: string;
  readonly overwrite?: boolean;
  readonly mode?: number;
  readonly recursive?: boolean;
  readonly ok: boolean;
}

export interface TreeTrialOptions {
  readonly seed: number;
  readonly steps: number;
  /** Runs the script with these arguments and returns what it printed. */
  readonly script: (...args: readonly string[]) => Promise<string>;
  /** Does one step by the file calls; whether it succeeded. Throws for a failure that no caller may cause. */
  readonly perform: (step: TreeStep) => Promise<boolean>;
  /** Empty directories of two file systems. */
  readonly directories: readonly [string, string];
}

/** Compares random work by file calls with the same work by coreutils. Returns how many steps succeeded. */
export async function runTreeTrial(options: TreeTrialOptions): Promise<number> {
  const { seed, directories, perform, script } = options;
  const steps = JSON.parse(
    await script("begin", String(seed), String(options.steps), ...directories),
  ) as readonly TreeStep[];
  for (const [index, step] of steps.entries())
    assert.equal(await perform(step), step.ok, `seed ${seed}, step ${index}: ${JSON.stringify(step)}`);
  const differences = JSON.parse(await script("compare", ...directories)) as readonly unknown[];
  const done = steps.map((step, index) => `${index} ${JSON.stringify(step)}`).join("\n");
  assert.deepEqual(differences.slice(0, 4), [], `seed ${seed} after\n${done}`);
  return steps.filter(({ ok }) => ok).length;
}
