import { defined, problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import { eventQueries } from "@wrenn/database";
import type { Database } from "@wrenn/database";
import { Type } from "typebox";
import type { Static } from "typebox";
import { identityOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { linkNextPage, pageFields, requestedPage } from "../http/paging.ts";
import type { Identity } from "../http/identity.ts";
import { refusals } from "../http/schemas.ts";
import { waitingClient } from "../http/waiting-client.ts";
import { mayReceive, receivableKinds } from "./event-audience.ts";
import type { EventFeed } from "./event-feed.ts";
import { eventJson } from "./event-json.ts";
import { eventSchemas, GapSchema, ListedEvent } from "./event-schemas.ts";
import { parseMoment, selectionFields, selectKinds } from "./event-selection.ts";
import { streamEvents } from "./event-stream.ts";
import type { StreamRequest } from "./event-stream.ts";
import type { LiveActivity } from "./live-activity.ts";

const ID = /^\d{1,18}$/;
/** Each holds a connection; a team that needs more shares one. */
const MAX_STREAMS = 100;
/** Entries of a page whose request names no limit. */
const PAGE = 100;

const StreamQuery = Type.Object({
  ...selectionFields,
  after: Type.Optional(
    Type.String({
      maxLength: 64,
      description: "Id of the event after which it begins, like `Last-Event-ID`",
    }),
  ),
});
const HistoryQuery = Type.Object({
  ...selectionFields,
  until: Type.Optional(Type.String({ maxLength: 64, description: "RFC 3339: events before this time" })),
  ...pageFields,
});

export interface EventRoutesDeps {
  readonly database: Database;
  readonly events: EventFeed;
  readonly activity: LiveActivity;
  /** UUID of a capsule of a team, in whatever state. @throws WrennError `capsule_not_found`. */
  readonly findCapsule: (teamId: string, text: string) => Promise<string>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Aborts when the control plane closes: answers without an end of their own end then. */
  readonly closing: AbortSignal;
}

/** What happens to a team's capsules, templates, hosts, members and keys. */
export function registerEvents(app: App, deps: EventRoutesDeps): void {
  registerEventRoutes(app, "/v1/events", deps);
}

/** The same of the platform's own team, to whose events those of the platform's hosts belong. */
export function registerEventsAdmin(app: App, deps: EventRoutesDeps): void {
  registerEventRoutes(app, "/v1/admin/events", deps);
}

function registerEventRoutes(app: App, path: string, deps: EventRoutesDeps): void {
  const { database, events, clock, logger, closing, findCapsule } = deps;
  const streams = new Map<string, number>();

  async function streamRequest(
    identity: Identity,
    { types, capsule, since, after }: Static<typeof StreamQuery>,
    header: string | undefined,
  ): Promise<StreamRequest> {
    const last = header ?? after;
    if (last !== undefined && !ID.test(last))
      throw new WrennError("invalid_field", { field: "after", problem: "must be the id of an event" });
    const kinds = selectKinds(types);
    const [unstored] = kinds.live;
    if (unstored !== undefined && capsule === undefined)
      throw new WrennError("invalid_field", {
        field: "capsule",
        problem: `must be given for ${unstored}, which is sent of one capsule only`,
      });
    const { teamId } = identity;
    const id = capsule === undefined ? undefined : await findCapsule(teamId, capsule);
    // A place is more exact than a time.
    const time = since === undefined || last !== undefined ? undefined : parseMoment("since", since);
    return {
      identity,
      kinds,
      capsule: id === undefined || capsule === undefined ? undefined : { id, publicId: capsule },
      from: await events.begin(teamId, defined({ last, since: time })),
      isResumed: last !== undefined,
    };
  }

  app.get(
    path,
    {
      // The answer to HEAD would never end.
      exposeHeadRoute: false,
      schema: {
        summary: "Events of the team, as they happen",
        description:
          "Server-sent events: `id` is the place in the stream, `event` the kind, `data` a JSON object. A client that comes back with `Last-Event-ID` (or `after`) gets what it missed of the last seven days, in order and once. Without it the stream begins now, or at `since`. Kinds that are not stored have no id, and are sent when `types` names them and `capsule` is given; where some are missing, `events.gap` says so. A comment comes at least every 15 s. The stream ends with the access of its caller, and when the role of its person changes. 410 for a place that is not kept.",
        tags: ["events"],
        querystring: StreamQuery,
        response: {
          200: {
            description: "Events, until either side ends the stream",
            content: { "text/event-stream": { schema: Type.Union([...eventSchemas, GapSchema]) } },
          },
          ...refusals,
        },
      },
    },
    async (request, reply) => {
      const header = request.headers["last-event-id"];
      const identity = identityOf(request);
      const { teamId } = identity;
      const { left } = waitingClient(reply);
      const open = streams.get(teamId) ?? 0;
      if (open >= MAX_STREAMS)
        throw new WrennError("limit_reached", { limit: MAX_STREAMS, things: "event streams" });
      // Counted before anything is awaited: requests that arrive together cannot take the same place.
      streams.set(teamId, open + 1);
      try {
        const last = typeof header === "string" ? header : undefined;
        const asked = await streamRequest(identity, request.query, last);
        const response = reply.raw;
        const signal = AbortSignal.any([left, closing]);
        reply.hijack();
        response.writeHead(200, {
          "content-type": "text/event-stream",
          "cache-control": "no-store, no-transform",
          "x-accel-buffering": "no",
          "x-request-id": request.id,
        });
        try {
          await streamEvents(response, asked, { ...deps, now: () => clock.now() }, signal);
        } catch (error) {
          if (!signal.aborted)
            logger.warn("events.ended", { request_id: request.id, problem: problemOf(error) });
        } finally {
          response.end();
        }
      } finally {
        const left = (streams.get(teamId) ?? 1) - 1;
        if (left > 0) streams.set(teamId, left);
        else streams.delete(teamId);
      }
    },
  );

  app.get(
    `${path}/history`,
    {
      schema: {
        summary: "Events of the team that are kept, newest first",
        description:
          "Stored events of the last seven days, at most the newest 100,000 of the team: 100 of them, or as many as `limit` says. A page can be shorter than `limit`; the last one has no `X-Next-Cursor`.",
        tags: ["events"],
        querystring: HistoryQuery,
        response: { 200: Type.Array(ListedEvent), ...refusals },
      },
    },
    async (request, reply) => {
      const { types, capsule, since, until } = request.query;
      const { limit, after: before } = requestedPage("events", request, (key) => ID.test(key)) ?? {
        limit: PAGE,
      };
      const identity = identityOf(request);
      const { teamId } = identity;
      const kinds = selectKinds(types);
      const [unstored] = kinds.live;
      if (unstored !== undefined)
        throw new WrennError("invalid_field", { field: "types", problem: `${unstored} is not stored` });
      const receivable = receivableKinds(identity).filter((name) => kinds.stored.has(name));
      if (receivable.length === 0) return [];
      const page = {
        kinds: receivable,
        before,
        // One more than asked for says whether there is another page.
        limit: limit + 1,
        capsuleId: capsule === undefined ? undefined : await findCapsule(teamId, capsule),
        since: since === undefined ? undefined : parseMoment("since", since),
        until: until === undefined ? undefined : parseMoment("until", until),
      };
      const rows = await eventQueries.listEvents(database.db, teamId, page);
      const shown = rows.slice(0, limit);
      const last = shown.at(-1);
      if (rows.length > limit && last) linkNextPage(reply, request, "events", last.id);
      return shown
        .filter((row) => mayReceive(identity, row))
        .map((row) => ({ id: row.id, ...eventJson(row) }));
    },
  );
}
