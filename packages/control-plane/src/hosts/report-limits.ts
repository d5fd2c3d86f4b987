import type { Clock } from "@wrenn/core";

const WINDOW_MS = 5000;
/** Changes of one host's capsules within a window: twice what a busy host has when its disk is full. */
const PER_HOST = 500;

/**
 * How often it is recorded that a capsule waits, continues or is paused because its host says so. Each such change is an event, and
 * events of all teams are written one after the other: a host that says another thing each time must not hold up the rest. What is
 * not recorded is found when the host is compared with the database.
 */
export class ReportLimits {
  readonly #clock: Clock;
  #windowStart = -Infinity;
  /** Changes in the current window by host. */
  readonly #counts = new Map<string, number>();
  /** When a change was recorded, by capsule, the oldest first. */
  readonly #recorded = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether a change of a capsule may be recorded now, which then counts. */
  take(hostId: string, capsuleId: string): boolean {
    const now = this.#clock.monotonic();
    if (now - this.#windowStart >= WINDOW_MS) {
      this.#windowStart = now;
      this.#counts.clear();
    }
    for (const [id, at] of this.#recorded) {
      if (now - at < WINDOW_MS) break;
      this.#recorded.delete(id);
    }
    const count = this.#counts.get(hostId) ?? 0;
    if (count >= PER_HOST || this.#recorded.has(capsuleId)) return false;
    this.#counts.set(hostId, count + 1);
    this.#recorded.set(capsuleId, now);
    return true;
  }
}
