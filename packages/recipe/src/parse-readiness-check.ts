import { readinessCheckOf } from "./instructions/healthcheck.ts";
import type { ReadinessCheck } from "./instructions/instruction.ts";
import { ProblemList } from "./syntax/refusal.ts";
import { JoinedText } from "./syntax/written.ts";

/**
 * Reads the field `healthcheck` of a build: `[--interval=3s] [--timeout=10s] [--start-period=0s] [--retries=0] command`.
 *
 * @throws RecipeError with the place in the text.
 */
export function parseReadinessCheck(text: string): ReadinessCheck {
  const problems = new ProblemList("healthcheck");
  const whole = new JoinedText(text, [{ at: 0, position: { line: 1, column: 1 } }]).whole();
  const check = problems.attempt(() => readinessCheckOf(whole));
  problems.raise();
  if (check === undefined) throw new Error("a health check without a problem was not read");
  return check;
}
