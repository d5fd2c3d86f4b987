import { WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import { eventQueries } from "@wrenn/database";
import type { CapsuleRow, Database, EventRow } from "@wrenn/database";
import type { ConsoleLog } from "@wrenn/protocol";
import type { CapsuleRows } from "../capsules/capsule-rows.ts";
import type { EventBus } from "../events/event-bus.ts";
import type { Fleet } from "../hosts/fleet.ts";
import { consoleLines } from "./console-lines.ts";
import type { ConsoleLine } from "./console-lines.ts";
import { consoleEntry, platformEntry } from "./log-entry.ts";
import type { LogEntry, LogPlace, LogSource } from "./log-entry.ts";

const CALL_MS = 10_000;
/** Events that are read at once. */
const EVENTS = 1000;
/** Entries that are read at once where the caller does not say. */
const PAGE = 20_000;
/** A host that answers with so much of a console, or so many pieces, may have more. */
const MORE_BYTES = 64 << 10;
const MORE_PIECES = 1000;
/** Between two looks of a client that follows. */
const LOOK_MS = 1000;
/** A line without an end is sent after this long. */
const UNFINISHED_MS = 2000;
/** A comment keeps a connection open on which nothing happens. */
const QUIET_MS = 10_000;
const NO_CONSOLE: ConsoleLog = { pieces: [], next: 0 };

export interface LogQuery {
  readonly sources: ReadonlySet<LogSource>;
  readonly after: LogPlace;
  /** Milliseconds since the Unix epoch: older entries are left out. */
  readonly since: number | undefined;
}

/** Entries of a log in their order. */
export interface LogPage {
  readonly entries: readonly LogEntry[];
  /** Behind everything that was read, also what was left out. */
  readonly next: LogPlace;
  /** The host of the capsule does not answer: entries of its console are missing. */
  readonly isIncomplete: boolean;
  /** There may be more behind `next` already. */
  readonly hasMore: boolean;
}

export interface CapsuleLogsDeps {
  readonly database: Database;
  readonly rows: CapsuleRows;
  readonly fleet: Fleet;
  readonly clock: Clock;
  readonly bus: EventBus;
}

/** Logs of capsules: the console of the guest, and what the platform did with the capsule. */
export class CapsuleLogs {
  readonly #deps: CapsuleLogsDeps;

  constructor(deps: CapsuleLogsDeps) {
    this.#deps = deps;
  }

  /** @throws WrennError `capsule_not_found`. */
  async require(teamId: string, publicId: string): Promise<void> {
    await this.#deps.rows.get(teamId, publicId);
  }

  /** Entries behind a place, oldest first. @throws WrennError `capsule_not_found`, `host_outdated`. */
  async read(teamId: string, publicId: string, query: LogQuery, limit: number): Promise<LogPage> {
    return await this.#read(await this.#deps.rows.get(teamId, publicId), publicId, query, limit, () => true);
  }

  /** The last entries. */
  async readLast(teamId: string, publicId: string, query: LogQuery, count: number): Promise<LogPage> {
    let entries: readonly LogEntry[] = [];
    for (let { after } = query; ;) {
      const page = await this.read(teamId, publicId, { ...query, after }, PAGE);
      entries = count === 0 ? [] : [...entries, ...page.entries].slice(-count);
      if (!page.hasMore) return { ...page, entries };
      after = page.next;
    }
  }

  /** Entries behind a place as they come, until the capsule has ended; undefined now and then while there are none. */
  async *follow(
    teamId: string,
    publicId: string,
    query: LogQuery,
    signal: AbortSignal,
  ): AsyncGenerator<LogEntry | undefined> {
    const { bus, clock, rows } = this.#deps;
    let row = await rows.get(teamId, publicId);
    let { after } = query;
    // States and events are looked at when the team has new events: a stream on which nothing happens costs a look at the console.
    let isHinted = true;
    const unsubscribe = bus.subscribe(teamId, () => (isHinted = true));
    try {
      for (let quiet = 0; ; quiet += LOOK_MS) {
        signal.throwIfAborted();
        const sources = isHinted ? query.sources : withoutPlatform(query.sources);
        // The row is read first: what ends a capsule is an event that was written with it.
        if (isHinted) row = await rows.get(teamId, publicId);
        isHinted = false;
        const isOver = row.status === "stopped" || row.status === "error";
        const isWhole = (at: number): boolean => isOver || clock.now() - at >= UNFINISHED_MS;
        const page = await this.#read(row, publicId, { ...query, sources, after }, PAGE, isWhole);
        after = page.next;
        if (page.entries.length > 0) quiet = 0;
        yield* page.entries;
        if (page.hasMore) isHinted = true;
        else if (isOver) return;
        else await clock.sleep(LOOK_MS, signal);
        if (quiet < QUIET_MS) continue;
        quiet = 0;
        isHinted = true;
        yield undefined;
      }
    } finally {
      unsubscribe();
    }
  }

  async #read(
    row: CapsuleRow,
    publicId: string,
    { sources, after, since }: LogQuery,
    limit: number,
    isWhole: (at: number) => boolean,
  ): Promise<LogPage> {
    const { database } = this.#deps;
    const log = sources.has("console") ? await this.#console(row, publicId, after.console) : NO_CONSOLE;
    const lines = log ? consoleLines(log, after.console, isWhole) : [];
    const events = sources.has("platform")
      ? await eventQueries.readCapsuleEvents(
          database.db,
          { id: row.id, teamId: row.team_id },
          after.event,
          EVENTS,
        )
      : [];
    const merged = merge(lines, events);
    const entries: LogEntry[] = [];
    let next = after;
    let taken = 0;
    for (const one of merged) {
      if (entries.length >= limit) break;
      taken += 1;
      next = "line" in one ? { ...next, console: one.line.end } : { ...next, event: one.event.id };
      if (since !== undefined && timeOf(one) < since) continue;
      entries.push("line" in one ? consoleEntry(one.line, next) : platformEntry(one.event, next));
    }
    return {
      entries,
      next,
      isIncomplete: log === undefined,
      hasMore:
        taken < merged.length ||
        events.length === EVENTS ||
        (log?.pieces.length ?? 0) >= MORE_PIECES ||
        next.console - after.console >= MORE_BYTES,
    };
  }

  /** Undefined while the host does not answer. */
  async #console(row: CapsuleRow, publicId: string, from: number): Promise<ConsoleLog | undefined> {
    // A capsule without a host has written nothing, and one that ended has left nothing.
    if (row.host_id === null || row.status === "stopped") return NO_CONSOLE;
    try {
      return await this.#deps.fleet.of(row).consoleLog(publicId, from, AbortSignal.timeout(CALL_MS));
    } catch (error) {
      if (WrennError.is(error, "capsule_not_found")) return NO_CONSOLE;
      if (WrennError.is(error, "host_unavailable")) return undefined;
      if (WrennError.is(error, "route_not_found"))
        throw new WrennError("host_outdated", { what: "logs of consoles" });
      throw error;
    }
  }
}

function withoutPlatform(sources: ReadonlySet<LogSource>): ReadonlySet<LogSource> {
  return new Set([...sources].filter((source) => source !== "platform"));
}

type Merged = { readonly line: ConsoleLine } | { readonly event: EventRow };

function timeOf(one: Merged): number {
  return "line" in one ? one.line.at : one.event.created_at.getTime();
}

/** Both sources by time, each in its own order. */
function merge(lines: readonly ConsoleLine[], events: readonly EventRow[]): readonly Merged[] {
  const merged: Merged[] = [];
  let index = 0;
  for (const event of events) {
    for (; index < lines.length; index += 1) {
      const line = lines[index];
      if (!line || line.at > event.created_at.getTime()) break;
      merged.push({ line });
    }
    merged.push({ event });
  }
  return [...merged, ...lines.slice(index).map((line) => ({ line }))];
}
