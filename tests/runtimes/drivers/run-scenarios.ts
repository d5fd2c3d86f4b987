import { scenarios } from "../../../packages/sdk/test/portable/index.ts";
import type { PortableContext } from "../../../packages/sdk/test/portable/index.ts";

/** How long one scenario may take. */
const LIMIT_MS = 20_000;

/** What a driver is given, as JSON. */
export interface RunRequest {
  readonly connection: PortableContext["connection"];
  readonly capsuleId: string;
  /** Parts of the names of the scenarios that are run. Default: all. */
  readonly only?: readonly string[];
}

/** What a driver prints of each scenario, as one line of JSON. */
export interface ScenarioOutcome {
  readonly name: string;
  /** Null where it did what it should. */
  readonly problem: string | null;
  readonly ms: number;
}

/** Runs the scenarios one after the other. */
export async function runScenarios(
  sdk: PortableContext["sdk"],
  { connection, capsuleId, only }: RunRequest,
  report: (outcome: ScenarioOutcome) => void,
): Promise<void> {
  const path = `/tmp/portable-${Math.random().toString(36).slice(2)}`;
  for (const { name, run } of scenarios) {
    if (only && !only.some((part) => name.includes(part))) continue;
    const start = performance.now();
    const problem = await within(run({ sdk, connection, capsuleId, path }));
    report({ name, problem, ms: Math.round(performance.now() - start) });
  }
}

/** Null, or what went wrong. */
async function within(run: Promise<void>): Promise<string | null> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it takes longer than ${LIMIT_MS} ms`)), LIMIT_MS);
  });
  try {
    await Promise.race([run, late]);
    return null;
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  } finally {
    clearTimeout(timer);
  }
}
