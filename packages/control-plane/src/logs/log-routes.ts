import { WrennError } from "@wrenn/core";
import { Type } from "typebox";
import { teamOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import type { EventStreams } from "../http/event-stream.ts";
import { CapsuleParams, refusals } from "../http/schemas.ts";
import type { CapsuleLogs } from "./capsule-logs.ts";
import { LogEntry, logBeginning, LogSource, parsePlace, placeText } from "./log-entry.ts";
import type { LogPlace } from "./log-entry.ts";

const DEFAULT_LIMIT = 1000;
const MAX_LIMIT = 5000;
/** RFC 3339. */
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;

const Logs = Type.Object({
  entries: Type.Array(LogEntry),
  next: Type.String({ description: "`after` of the next request" }),
  has_more: Type.Boolean({ description: "Whether there are more entries already" }),
  incomplete: Type.Boolean({ description: "The host does not answer: lines of the console are missing" }),
});

export interface LogRoutesDeps {
  readonly logs: CapsuleLogs;
  readonly streams: EventStreams;
}

/** Logs of capsules; our addition to the contract. */
export function registerLogs(app: App, { logs, streams }: LogRoutesDeps): void {
  app.get(
    "/v1/capsules/:id/logs",
    {
      // With `follow` the answer to HEAD would not end.
      exposeHeadRoute: false,
      schema: {
        summary: "Log of a capsule: its console, and what the platform did",
        description:
          "Entries of the guest's console and of the platform (states, forks, checkpoints, ports, a full disk), oldest first. At least the last 128 KiB of the console, or what was read of it at the last 4,096 looks, are kept as long as the capsule exists, and events for seven days. Output of commands is not in it: see the logs of processes. With `follow=true` the answer is server-sent events `log`, whose `data` is an entry; a client that reconnects with `Last-Event-ID` continues exactly there. The stream ends with the capsule, or when the caller loses access.",
        tags: ["capsules"],
        params: CapsuleParams,
        querystring: Type.Object({
          source: Type.Optional(LogSource),
          since: Type.Optional(
            Type.String({ maxLength: 64, description: "RFC 3339 with a zone: entries from then on" }),
          ),
          after: Type.Optional(Type.String({ maxLength: 64, description: "`id` of an entry, or `next`" })),
          limit: Type.Optional(
            Type.Integer({ minimum: 1, maximum: MAX_LIMIT, description: `Default: ${DEFAULT_LIMIT}` }),
          ),
          tail: Type.Optional(
            Type.Integer({ minimum: 0, maximum: MAX_LIMIT, description: "Only so many of the last entries" }),
          ),
          follow: Type.Optional(Type.Boolean()),
        }),
        response: { 200: Logs, ...refusals },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const { source, limit = DEFAULT_LIMIT, tail, follow = false } = request.query;
      const team = teamOf(request);
      const last = request.headers["last-event-id"];
      const given = typeof last === "string" ? last : request.query.after;
      const query = {
        sources: new Set(source === undefined ? (["console", "platform"] as const) : [source]),
        after: given === undefined ? logBeginning : requirePlace(given),
        since: request.query.since === undefined ? undefined : requireTime(request.query.since),
      };
      using place = streams.take(team);
      void place;
      const first =
        tail === undefined
          ? follow
            ? undefined
            : await logs.read(team, id, query, limit)
          : await logs.readLast(team, id, query, tail);
      if (!follow && first)
        return {
          entries: [...first.entries],
          next: placeText(first.next),
          has_more: first.hasMore,
          incomplete: first.isIncomplete,
        };
      // A refusal is an answer, not a stream that ends at once.
      await logs.require(team, id);
      await streams.send(request, reply, async function* send(signal) {
        const eventOf = (entry: LogEntry) => ({ id: entry.id, event: "log", data: entry });
        for (const entry of first?.entries ?? []) yield eventOf(entry);
        const rest = first ? { ...query, after: first.next } : query;
        for await (const entry of logs.follow(team, id, rest, signal)) yield entry && eventOf(entry);
      });
      return reply;
    },
  );
}

function requirePlace(text: string): LogPlace {
  const place = parsePlace(text);
  if (!place)
    throw new WrennError("invalid_field", { field: "after", problem: "must be the id of an entry of a log" });
  return place;
}

function requireTime(text: string): number {
  const time = TIME.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time))
    throw new WrennError("invalid_field", {
      field: "since",
      problem: "must be a time such as 2026-01-31T12:00:00Z",
    });
  return time;
}
