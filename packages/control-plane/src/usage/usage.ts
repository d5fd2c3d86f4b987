import { DAY_MS, problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import {
  eventQueries,
  idempotencyQueries,
  mailQueries,
  quotaQueries,
  upkeepQueries,
  usageQueries,
} from "@wrenn/database";
import type { Database, DayOfUse, StoredUse, UseBucket } from "@wrenn/database";

const HOUR_MS = 3_600_000;
/** See docs/reference/values.md#limits-and-times. */
const KEEP_SAMPLES_MS = 60 * DAY_MS;
const KEEP_KEYS_MS = DAY_MS;
const KEEP_EVENTS_MS = 7 * DAY_MS;
const KEEP_EVENTS_PER_TEAM = 100_000;
const KEEP_LOGINS_MS = DAY_MS;
const KEEP_MAILS_MS = 7 * DAY_MS;
const MAX_SPAN_DAYS = 92;
const DEFAULT_SPAN_DAYS = 30;

export type StatsRange = "5m" | "1h" | "6h" | "24h" | "30d";

/** Length and bucket of each range, seconds (docs/reference/rest-api.md#use-and-metrics). */
const ranges: Readonly<Record<StatsRange, { readonly seconds: number; readonly bucket: number }>> = {
  "5m": { seconds: 300, bucket: 3 },
  "1h": { seconds: 3600, bucket: 30 },
  "6h": { seconds: 21_600, bucket: 180 },
  "24h": { seconds: 86_400, bucket: 720 },
  "30d": { seconds: 2_592_000, bucket: 21_600 },
};

export interface Stats {
  readonly now: Omit<UseBucket, "at">;
  readonly stored: StoredUse;
  readonly peaks: Omit<UseBucket, "at">;
  readonly series: readonly UseBucket[];
}

/** What teams use: sampled every ten seconds, summed up by day. */
export class UsageService {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #timers: readonly NodeJS.Timeout[];

  constructor(database: Database, clock: Clock, logger: Logger) {
    this.#database = database;
    this.#clock = clock;
    this.#logger = logger;
    const every = (ms: number, what: string, work: () => Promise<void>): NodeJS.Timeout => {
      const timer = setInterval(() => {
        work().catch((error: unknown) =>
          this.#logger.warn(`usage.${what}_failed`, { problem: problemOf(error) }),
        );
      }, ms);
      timer.unref();
      return timer;
    };
    this.#timers = [
      every(usageQueries.USAGE_SAMPLE_SEC * 1000, "sample", () => this.sample()),
      every(HOUR_MS, "upkeep", () => this.upkeep()),
    ];
  }

  async sample(): Promise<void> {
    await usageQueries.sampleUsage(this.#database.db, this.#now());
  }

  /** Sums up yesterday and forgets what is too old. */
  async upkeep(): Promise<void> {
    const { db } = this.#database;
    const now = this.#clock.now();
    await usageQueries.rollUpUsage(db, dayOf(now - DAY_MS));
    await usageQueries.pruneUsageSamples(db, new Date(now - KEEP_SAMPLES_MS));
    await eventQueries.pruneEvents(db, {
      since: new Date(now - KEEP_EVENTS_MS),
      perTeam: KEEP_EVENTS_PER_TEAM,
    });
    await upkeepQueries.pruneLogins(db, new Date(now), new Date(now - KEEP_LOGINS_MS));
    await mailQueries.pruneMails(db, new Date(now), new Date(now - KEEP_MAILS_MS));
    await idempotencyQueries.pruneIdempotencyKeys(db, new Date(now - KEEP_KEYS_MS));
  }

  async stats(teamId: string, range: StatsRange): Promise<Stats> {
    const { db } = this.#database;
    const { seconds, bucket } = ranges[range];
    const month = ranges["30d"];
    const since = (length: number): Date => new Date(this.#clock.now() - length * 1000);
    const [now, stored, series, long] = await Promise.all([
      usageQueries.usageNow(db, teamId),
      quotaQueries.readStoredUse(db, teamId),
      usageQueries.usageSeries(db, teamId, since(seconds), bucket),
      usageQueries.usageSeries(db, teamId, since(month.seconds), month.seconds),
    ]);
    const peak = (value: (one: Omit<UseBucket, "at">) => number): number =>
      Math.max(...[now, ...long].map(value));
    return {
      now,
      stored,
      series,
      peaks: {
        running: peak(({ running }) => running),
        vcpus: peak(({ vcpus }) => vcpus),
        memoryMib: peak(({ memoryMib }) => memoryMib),
      },
    };
  }

  /** @throws WrennError `invalid_field` for dates that are none, in the wrong order, or too far apart. */
  async usage(
    teamId: string,
    range: { readonly from?: string; readonly to?: string },
  ): Promise<{ readonly from: string; readonly to: string; readonly days: readonly DayOfUse[] }> {
    const today = dayOf(this.#clock.now());
    const to = range.to ?? today;
    const from = range.from ?? dayOf(parseDay("to", to) - (DEFAULT_SPAN_DAYS - 1) * DAY_MS);
    const span = (parseDay("to", to) - parseDay("from", from)) / DAY_MS;
    if (span < 0) throw new WrennError("invalid_field", { field: "from", problem: "must not be after to" });
    if (span > MAX_SPAN_DAYS)
      throw new WrennError("invalid_field", {
        field: "from",
        problem: `must be within ${MAX_SPAN_DAYS} days of to`,
      });
    // Today goes on; the days before were summed up when they were over.
    if (to >= today) await usageQueries.rollUpUsage(this.#database.db, today);
    return { from, to, days: await usageQueries.listDailyUsage(this.#database.db, teamId, from, to) };
  }

  close(): void {
    for (const timer of this.#timers) clearInterval(timer);
  }

  #now(): Date {
    return new Date(this.#clock.now());
  }
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

function parseDay(field: string, text: string): number {
  const ms = Date.parse(`${text}T00:00:00Z`);
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text) || Number.isNaN(ms) || dayOf(ms) !== text)
    throw new WrennError("invalid_field", { field, problem: "must be a date, YYYY-MM-DD" });
  return ms;
}
