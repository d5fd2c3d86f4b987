import { formatId, problemOf } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import type { CapsuleStatus } from "@wrenn/protocol";

/** How many reports of one host wait at most. What is dropped is found when the host is compared with the database. */
const WAITING_LIMIT = 4096;
/** How many of them are looked at together, and the pause after that: about a thousand a second. */
const AT_ONCE = 256;
const PAUSE_MS = 250;

export interface ReportedChangesDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Of these public ids those whose capsules are placed on the host. */
  readonly placedOn: (hostId: string, ids: readonly string[]) => Promise<ReadonlySet<string>>;
  readonly deliver: (status: CapsuleStatus) => void;
}

/**
 * Reports of a host on another machine about its capsules. Such a host may be hostile: only reports about capsules that are placed
 * on it are delivered, and only as many as a host of the largest size has.
 */
export class ReportedChanges {
  readonly #hostId: string;
  readonly #deps: ReportedChangesDeps;
  readonly #closing = new AbortController();
  #waiting: CapsuleStatus[] = [];
  #dropped = 0;
  #isWorking = false;

  constructor(hostId: string, deps: ReportedChangesDeps) {
    this.#hostId = hostId;
    this.#deps = deps;
  }

  add(status: CapsuleStatus): void {
    if (this.#waiting.length >= WAITING_LIMIT) this.#dropped++;
    else this.#waiting.push(status);
    if (!this.#isWorking) void this.#work();
  }

  close(): void {
    this.#closing.abort(new Error("the host has left"));
    this.#waiting = [];
  }

  async #work(): Promise<void> {
    const { clock } = this.#deps;
    const { signal } = this.#closing;
    this.#isWorking = true;
    try {
      while (this.#waiting.length > 0 && !signal.aborted) {
        await this.#deliver(lastOfEachState(this.#waiting.splice(0, AT_ONCE)));
        // Aborted while it pauses, the loop ends.
        await clock.sleep(PAUSE_MS, signal).catch(() => undefined);
      }
    } finally {
      this.#isWorking = false;
    }
  }

  async #deliver(statuses: readonly CapsuleStatus[]): Promise<void> {
    const { logger, placedOn, deliver } = this.#deps;
    const host = formatId("host", this.#hostId);
    if (this.#dropped > 0) logger.warn("host.reports_dropped", { host, reports: this.#dropped });
    this.#dropped = 0;
    try {
      const placed = await placedOn(this.#hostId, [...new Set(statuses.map(({ id }) => id))]);
      if (this.#closing.signal.aborted) return;
      for (const status of statuses) if (placed.has(status.id)) deliver(status);
    } catch (error) {
      logger.warn("host.reports_lost", { host, problem: problemOf(error) });
    }
  }
}

/** Without reports that a later one of the same capsule and state takes the place of. */
function lastOfEachState(statuses: readonly CapsuleStatus[]): readonly CapsuleStatus[] {
  const last = new Map<string, CapsuleStatus>();
  for (const status of statuses) {
    const key = `${status.id} ${status.state}`;
    last.delete(key);
    last.set(key, status);
  }
  return [...last.values()];
}
