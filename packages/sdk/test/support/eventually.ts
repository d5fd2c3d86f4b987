import assert from "node:assert/strict";

const TIMEOUT_MS = 10_000;
const POLL_MS = 5;

/** Waits until a condition holds. */
export async function eventually(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + TIMEOUT_MS;
  while (!holds()) {
    if (performance.now() > end) assert.fail(`not within ${TIMEOUT_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
