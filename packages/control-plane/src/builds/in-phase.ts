import type { BuildReport, OwnPhase } from "./template-builder.ts";

/** Reports the work of a phase, also when it fails. */
export async function inPhase<T>(report: BuildReport, name: OwnPhase, work: () => Promise<T>): Promise<T> {
  await report.phaseStarted(name);
  let result: T;
  try {
    result = await work();
  } catch (error) {
    // Why the work failed says more than that the build is over.
    await report.phaseEnded({ ok: false }).catch(() => {});
    throw error;
  }
  await report.phaseEnded({ ok: true });
  return result;
}
