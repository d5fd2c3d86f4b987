import type { Clock } from "@wrenn/core";
import type { CapsuleRegistry } from "../capsule-registry.ts";

/** An answer is usually on its way to the caller within this time. */
const ANSWER_MS = 200;

export interface AfterAnswerDeps {
  readonly clock: Pick<Clock, "sleep">;
  readonly registry: Pick<CapsuleRegistry, "ending">;
}

/**
 * Waits until the caller of an operation has its answer, or until the host agent ends. Starting a program holds up the event loop for
 * milliseconds, which would otherwise be part of the operation.
 */
export async function afterAnswer({ clock, registry }: AfterAnswerDeps): Promise<void> {
  if (registry.ending.aborted) return;
  await clock.sleep(ANSWER_MS, registry.ending).catch(() => {});
}
