import type { ApiContext } from "./row.ts";

const POLL_MS = 20;

export interface MeasuredBuild {
  readonly id: string;
  readonly status: string;
  readonly error?: string;
  readonly created_at: string;
  readonly durations: {
    readonly settle_ms?: number;
    readonly freeze_ms?: number;
    readonly smoke_test_ms?: number;
  };
  readonly logs: readonly { readonly cached: boolean; readonly elapsed_ms: number }[];
}

/** A line of the log of a build, as far as rows need it. */
export interface TimedLine {
  readonly step: number;
  readonly text: string;
  readonly at: string;
}

/** Builds a template of `minimal` from a recipe text to its end. @throws Error when it does not succeed. */
export async function build({ api }: ApiContext, name: string, lines: readonly string[]) {
  const text = ["FROM minimal", ...lines].join("\n");
  const { id } = await api<MeasuredBuild>("POST", "/v1/builds", { name, recipe_text: text });
  for (;;) {
    const made = await api<MeasuredBuild>("GET", `/v1/builds/${id}`);
    if (made.status === "success") return made;
    if (made.status !== "pending" && made.status !== "running")
      throw new Error(`the build of ${name} is ${made.status}: ${made.error ?? ""}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** The log of a build that has few lines. */
export async function linesOf({ api }: ApiContext, { id }: MeasuredBuild): Promise<readonly TimedLine[]> {
  return (await api<{ lines: readonly TimedLine[] }>("GET", `/v1/builds/${id}/logs`)).lines;
}

/** When the state behind the last step was kept, by the clock of the server: what follows the steps began then. */
export function sealedAt(lines: readonly TimedLine[]): number {
  const last = lines.findLastIndex(({ step }) => step > 0);
  const next = lines[last + 1];
  if (last < 0 || next?.step !== 0) throw new Error("the log of the build ends with its steps");
  return Date.parse(next.at);
}

/**
 * What a build took from its request until the state behind its last step was kept, without that step itself.
 *
 * @throws Error unless all steps but the last were there from an earlier build.
 */
export function beyondLastStep(made: MeasuredBuild, lines: readonly TimedLine[]): number {
  const last = made.logs.at(-1);
  if (!last || last.cached || made.logs.slice(0, -1).some(({ cached }) => !cached))
    throw new Error("not exactly the last step was performed");
  const elapsed = sealedAt(lines) - Date.parse(made.created_at) - last.elapsed_ms;
  // The first of these times is of the database, the others are of the server.
  if (elapsed < 0) throw new Error("the clocks of server and database differ");
  return elapsed;
}

/** From the beginning of the first step until the state behind the last one was kept, for each step. */
export function timePerStep(lines: readonly TimedLine[]): number {
  const steps = new Set(lines.map(({ step }) => step).filter((step) => step > 0));
  const first = lines.find(({ step }) => step > 0);
  if (!first) throw new Error("the build has no steps");
  return (sealedAt(lines) - Date.parse(first.at)) / steps.size;
}
