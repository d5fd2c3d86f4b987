import type { CallOptions } from "../transport/call-options.ts";
import type { HttpClient } from "../transport/http.ts";
import { present, requireKnownOptions } from "../transport/options.ts";
import type { WireAnswer, WireObject } from "../wire/api-types.ts";
import type { EventActor } from "./events.ts";
import { followStream } from "./follow-stream.ts";

/** A line of the console of a capsule, or something that the platform did with it. */
export interface LogEntry {
  /** Place in the log, for `after`. */
  readonly id: string;
  /** Of the console: when the host read it. */
  readonly at: Date;
  readonly source: "console" | "platform";
  /** Text; bytes that are not UTF-8 and control characters are U+FFFD. */
  readonly message: string;
  /** Kind of the event, such as `capsule.paused`; `guest.out_of_memory` for a line in which the guest's kernel says so. */
  readonly event?: string;
  readonly reason?: string;
  readonly actor?: EventActor;
  /** The checkpoint or port that the event is about. */
  readonly resource?: string;
  /** The exact bytes of a line, where `message` differs. */
  readonly bytes?: Uint8Array;
  /** The line has no end: it was cut, or the rest follows. */
  readonly isPartial: boolean;
  /** Bytes of the console before this line are lost. */
  readonly isAfterGap: boolean;
}

/** Which entries of a log are given, and whether those to come are. */
export interface LogsOptions extends CallOptions {
  /** Whether entries are given as they come, until the capsule has ended. Default: false. */
  readonly follow?: boolean | undefined;
  /** Default: both. */
  readonly source?: "console" | "platform" | undefined;
  /** Entries at this time or later. */
  readonly since?: Date | undefined;
  /** Entries behind the one with this id. */
  readonly after?: string | undefined;
  /** Only so many of the last entries, up to 5000; with `follow`, and those to come. */
  readonly tail?: number | undefined;
}

/** Entries of a log, oldest first. */
export interface Logs extends AsyncIterable<LogEntry> {
  /**
   * Whether lines of the console were missing when the log was read last: the host of the capsule did not answer. Without `follow`,
   * which waits for it.
   */
  readonly isIncomplete: boolean;
}

type WireLogs = Extract<WireAnswer<"GET /v1/capsules/{id}/logs">, { readonly entries: unknown }>;

/** @throws WrennError `unknown_option`. */
export function logsOf(
  http: HttpClient,
  id: string,
  hasEnded: (signal: AbortSignal | undefined) => Promise<boolean>,
  options: LogsOptions,
): Logs {
  requireKnownOptions("Capsule.logs", options, ["follow", "source", "since", "after", "tail", "signal"]);
  const { follow = false, source, since, after: begin, tail, signal } = options;
  const path = `/v1/capsules/${id}/logs`;
  const query = { source, since: since?.toISOString() };
  let isIncomplete = false;
  return {
    get isIncomplete() {
      return isIncomplete;
    },
    async *[Symbol.asyncIterator]() {
      let after = begin;
      // What `tail` leaves out depends on when it is asked for: a stream that breaks off could not repeat it.
      for (let hasMore = !follow || tail !== undefined; hasMore;) {
        const page = await http.json<WireLogs>("GET", path, { query: { ...query, after, tail }, signal });
        isIncomplete = page.incomplete;
        for (const entry of page.entries) yield entryOf(entry);
        after = page.next;
        hasMore = page.has_more && tail === undefined;
      }
      if (!follow) return;
      yield* followStream(http, {
        what: `the log of capsule ${id}`,
        path,
        query: { ...query, follow: true },
        after,
        itemOf: (data) => entryOf(JSON.parse(data) as WireObject<"LogEntry">),
        isOver: hasEnded,
        signal,
      });
    },
  };
}

function entryOf(wire: WireObject<"LogEntry">): LogEntry {
  const { id, source, message, event, reason, actor, resource, raw } = wire;
  return Object.freeze({
    id,
    at: new Date(wire.timestamp),
    source,
    message,
    ...present({ event, reason, actor: actor as EventActor | undefined, resource }),
    ...(raw === undefined ? {} : { bytes: Uint8Array.from(atob(raw), (letter) => letter.charCodeAt(0)) }),
    isPartial: wire.partial ?? false,
    isAfterGap: wire.gap ?? false,
  });
}
