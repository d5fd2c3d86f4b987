import assert from "node:assert/strict";
import type { ApiCaller } from "./api-caller.ts";

/** How far a capsule's clock may be from the host's. */
export const TOLERANCE_MS = 50;
const PROBES = 2;

/**
 * Asserts that a capsule has the host's time: what it reads lies between the moments before and after the command, of which the
 * shortest of a few is the exactest.
 */
export async function assertClock(api: ApiCaller, id: string, when: string): Promise<void> {
  for (let probe = 0; probe < PROBES; probe++) {
    const asked = Date.now();
    const { stdout } = await api.exec(id, "date", ["+%s%N"]).then(({ body }) => body);
    const answered = Date.now();
    const read = Number(stdout) / 1e6;
    const behind = asked - read;
    const ahead = read - answered;
    assert.ok(behind <= TOLERANCE_MS, `${when}: the clock of ${id} is at least ${behind} ms behind`);
    assert.ok(ahead <= TOLERANCE_MS, `${when}: the clock of ${id} is at least ${ahead} ms ahead`);
  }
}
