import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { problemOf, WrennError } from "@wrenn/core";
import type { EventRow } from "@wrenn/database";
import { Type } from "typebox";
import { eventJson, eventTypes } from "./event-json.ts";
import { teamOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { refusals } from "../http/schemas.ts";
import { waitingClient } from "../http/waiting-client.ts";
import type { EventFeed } from "./event-feed.ts";
import type { Logger } from "@wrenn/core";

const ID = /^\d{1,18}$/;
const known: ReadonlySet<string> = new Set(eventTypes);
/** Each holds a connection; a team that needs more wants one that it shares. */
const MAX_STREAMS = 100;
/** A client that takes nothing for so long is let go; it comes back with its last id. */
const STALLED_MS = 30_000;

export interface EventRoutesDeps {
  readonly events: EventFeed;
  readonly logger: Logger;
  /** Aborts when the control plane closes: answers without an end of their own end then. */
  readonly closing: AbortSignal;
}

/** What happens to a team's capsules, templates and hosts, as server-sent events. */
export function registerEvents(app: App, { events, logger, closing }: EventRoutesDeps): void {
  const streams = new Map<string, number>();

  app.get(
    "/v1/events",
    {
      // The answer to HEAD would never end.
      exposeHeadRoute: false,
      schema: {
        summary: "Events of the team, as they happen",
        description:
          "Server-sent events: `id` is the place in the stream, `event` the type, `data` a JSON object. A client that comes back with `Last-Event-ID` (or `after`) gets what it missed of the last seven days, in order and once. Without it the stream begins now. A comment comes at least every 15 s. The stream ends with the access of its caller: when the key or login ends. 410 for a place of more than seven days ago.",
        tags: ["events"],
        querystring: Type.Object({
          after: Type.Optional(Type.String({ maxLength: 64 })),
          types: Type.Optional(Type.String({ maxLength: 512, description: "Types, comma-separated" })),
        }),
        response: { 200: Type.Unknown(), ...refusals },
      },
    },
    async (request, reply) => {
      const header = request.headers["last-event-id"];
      const text = typeof header === "string" ? header : request.query.after;
      if (text !== undefined && !ID.test(text))
        throw new WrennError("invalid_field", { field: "after", problem: "must be the id of an event" });
      const types = request.query.types === undefined ? undefined : new Set(request.query.types.split(","));
      for (const type of types ?? [])
        if (!known.has(type))
          throw new WrennError("invalid_field", { field: "types", problem: `has no type '${type}'` });
      const team = teamOf(request);
      const { left } = waitingClient(reply);
      const open = streams.get(team) ?? 0;
      if (open >= MAX_STREAMS)
        throw new WrennError("limit_reached", { limit: MAX_STREAMS, things: "event streams" });
      // Counted before anything is awaited: requests that arrive together cannot take the same place.
      streams.set(team, open + 1);
      const release = (): void => void streams.set(team, (streams.get(team) ?? 1) - 1);
      const after = await events.begin(text).catch((error: unknown) => {
        release();
        throw error;
      });
      const response = reply.raw;
      const signal = AbortSignal.any([left, closing]);
      reply.hijack();
      response.writeHead(200, {
        "content-type": "text/event-stream",
        "cache-control": "no-store",
        "x-accel-buffering": "no",
        "x-request-id": request.id,
      });
      try {
        await write(response, `: ${after}\n\n`, signal);
        for await (const batch of events.follow(team, after, signal)) {
          await write(response, textOf(batch, types), signal);
        }
      } catch (error) {
        if (!signal.aborted)
          logger.warn("events.ended", { request_id: request.id, problem: problemOf(error) });
      } finally {
        release();
        response.end();
      }
    },
  );
}

function textOf(batch: readonly EventRow[], types: ReadonlySet<string> | undefined): string {
  const wanted = batch.filter(({ type }) => !types || types.has(type));
  if (wanted.length === 0) return ": \n\n";
  return wanted
    .map((row) => `id: ${row.id}\nevent: ${row.type}\ndata: ${JSON.stringify(eventJson(row))}\n\n`)
    .join("");
}

async function write(response: ServerResponse, text: string, signal: AbortSignal): Promise<void> {
  if (response.write(text)) return;
  const stalled = AbortSignal.any([signal, AbortSignal.timeout(STALLED_MS)]);
  try {
    await once(response, "drain", { signal: stalled });
  } catch (error) {
    response.destroy();
    throw error;
  }
}
