import { formatId, problemOf } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";

/** How many reports of one host wait at most. What is dropped is found when the host is compared with the database. */
const WAITING_LIMIT = 4096;
/** How many of them are looked at together, and the pause after that: about a thousand a second. */
const AT_ONCE = 256;
const PAUSE_MS = 250;

/** What a host reports about one of its capsules. */
interface Report {
  readonly id: string;
}

export interface ReportedChangesDeps<T extends Report> {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Of these public ids those whose capsules are placed on the host. */
  readonly placedOn: (hostId: string, ids: readonly string[]) => Promise<ReadonlySet<string>>;
  readonly deliver: (report: T) => void;
  /** Reports with the same key: a later one takes the place of an earlier one. */
  readonly keyOf: (report: T) => string;
}

/**
 * Reports of a host on another machine about its capsules. Such a host may be hostile: only reports about capsules that are placed
 * on it are delivered, and only as many as a host of the largest size has.
 */
export class ReportedChanges<T extends Report> {
  readonly #hostId: string;
  readonly #deps: ReportedChangesDeps<T>;
  readonly #closing = new AbortController();
  #waiting: T[] = [];
  #dropped = 0;
  #isWorking = false;

  constructor(hostId: string, deps: ReportedChangesDeps<T>) {
    this.#hostId = hostId;
    this.#deps = deps;
  }

  add(report: T): void {
    if (this.#waiting.length >= WAITING_LIMIT) this.#dropped++;
    else this.#waiting.push(report);
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
        await this.#deliver(this.#lastOfEachKey(this.#waiting.splice(0, AT_ONCE)));
        // Aborted while it pauses, the loop ends.
        await clock.sleep(PAUSE_MS, signal).catch(() => undefined);
      }
    } finally {
      this.#isWorking = false;
    }
  }

  async #deliver(reports: readonly T[]): Promise<void> {
    const { logger, placedOn, deliver } = this.#deps;
    const host = formatId("host", this.#hostId);
    if (this.#dropped > 0) logger.warn("host.reports_dropped", { host, reports: this.#dropped });
    this.#dropped = 0;
    try {
      const placed = await placedOn(this.#hostId, [...new Set(reports.map(({ id }) => id))]);
      if (this.#closing.signal.aborted) return;
      for (const report of reports) if (placed.has(report.id)) deliver(report);
    } catch (error) {
      logger.warn("host.reports_lost", { host, problem: problemOf(error) });
    }
  }

  /** Without reports that a later one takes the place of. */
  #lastOfEachKey(reports: readonly T[]): readonly T[] {
    const last = new Map<string, T>();
    for (const report of reports) {
      const key = this.#deps.keyOf(report);
      last.delete(key);
      last.set(key, report);
    }
    return [...last.values()];
  }
}
