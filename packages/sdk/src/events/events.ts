import type { CallOptions } from "../transport/call-options.ts";
import type { HttpClient } from "../transport/http.ts";
import { present, requireKnownOptions } from "../transport/options.ts";
import { listOf, pageOptionNames } from "../transport/pages.ts";
import type { PageOptions } from "../transport/pages.ts";
import type { WireAnswer } from "../wire/api-types.ts";
import { followStream } from "./follow-stream.ts";

type WireEvent = WireAnswer<"GET /v1/events", 200>;

type CamelCase<Name> = Name extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Name;
type EventData<Data> = {
  readonly [Name in keyof Data as CamelCase<Name> & PropertyKey]: Name extends "at" | `${string}_at`
    ? Date
    : Data[Name];
};

/** Who did it. */
export interface EventActor {
  readonly type: "user" | "api_key" | "system";
  readonly id?: string;
  readonly name?: string;
}

/** What it was done to: a capsule, checkpoint, port, template, build, host, member or key. */
export interface EventResource {
  readonly type: string;
  readonly id: string;
}

interface EventOf<Kind, Data> {
  /** Place in the stream, for `after`. Absent where the kind is not stored. */
  readonly id?: string;
  /** The kind. */
  readonly type: Kind;
  readonly at: Date;
  readonly teamId: string;
  /** Absent of `events.gap`, like `resource`. */
  readonly actor?: EventActor;
  readonly resource?: EventResource;
  readonly data: EventData<Data>;
}

type Distribute<Wire> = Wire extends { readonly event: infer Kind; readonly data: infer Data }
  ? EventOf<Kind, Data>
  : never;

/**
 * What happened to something of the team. `type` tells the kinds apart, and what their `data` has
 * (docs/reference/events.md); `events.gap` says that events that are not stored are missing.
 */
export type WrennEvent = Distribute<WireEvent>;

/** The kinds of events. */
export type EventType = WrennEvent["type"];

/** Which events are given, and whether those to come are. */
export interface EventsOptions extends Omit<PageOptions, "limit">, CallOptions {
  /**
   * Whether events are given as they happen, until the loop is left; otherwise those that are kept, newest first. Default: false.
   */
  readonly follow?: boolean | undefined;
  /** Kinds, or their beginnings: `capsule.*`. Default: every kind that is stored. */
  readonly types?: readonly (EventType | `${string}.*`)[] | undefined;
  /** Events at this time or later. */
  readonly since?: Date | undefined;
  /** With `follow`: events behind the one with this id. */
  readonly after?: string | undefined;
  /** Without `follow`: events before this time. */
  readonly until?: Date | undefined;
  /** Without `follow`: events in all. Default: all. */
  readonly limit?: number | undefined;
}

/** Which events of which capsule; of the team without one. */
interface EventScope {
  /** The call, for messages. */
  readonly call: string;
  readonly capsuleId?: string;
  /** Whether the capsule has ended. */
  readonly hasEnded?: (signal: AbortSignal | undefined) => Promise<boolean>;
}

/** The last event of a capsule. */
const LAST = "capsule.destroyed";

/** @throws WrennError `unknown_option`, `invalid_option`. */
export function eventsOf(
  http: HttpClient,
  { call, capsuleId, hasEnded }: EventScope,
  options: EventsOptions,
): AsyncIterable<WrennEvent> {
  const { follow = false, types, since, after, until, limit, pageSize, signal } = options;
  const own = ["follow", "types", "since"];
  requireKnownOptions(
    call,
    options,
    follow ? [...own, "after", "signal"] : [...own, "until", ...pageOptionNames],
  );
  const query = { capsule: capsuleId, since: since?.toISOString() };
  if (!follow)
    return listOf(
      http,
      {
        call,
        path: "/v1/events/history",
        query: { ...query, types: types?.join(","), until: until?.toISOString() },
      },
      { pageSize, limit, signal },
      (wire: WireAnswer<"GET /v1/events/history">[number]) => eventOf(wire as unknown as WireEvent, wire.id),
    );
  // The end of the capsule is listened for in any case.
  const isAdded =
    capsuleId !== undefined && types !== undefined && !types.includes(LAST) && !types.includes("capsule.*");
  const asked = isAdded ? [...types, LAST] : types;
  return {
    async *[Symbol.asyncIterator]() {
      // Of a capsule that has ended nothing is to come: what is kept ends with its end.
      if (since === undefined && after === undefined && (await hasEnded?.(signal)) === true) return;
      const events = followStream(http, {
        what: capsuleId === undefined ? "the events of the team" : `the events of capsule ${capsuleId}`,
        path: "/v1/events",
        query: { ...query, types: asked?.join(",") },
        after,
        itemOf: (data, id) => eventOf(JSON.parse(data) as WireEvent, id),
        // It ends with the server or the access of its caller, and the next connection says which.
        isOver: async () => false,
        signal,
      });
      for await (const event of events) {
        const isLast = capsuleId !== undefined && event.type === LAST;
        if (!isLast || !isAdded) yield event;
        if (isLast) return;
      }
    },
  };
}

/** What the wire calls these resources, which keeps older names. */
const resourceTypes: ReadonlyMap<string, string> = new Map([
  ["sandbox", "capsule"],
  ["snapshot", "template"],
]);

function eventOf(wire: WireEvent, id: string | undefined): WrennEvent {
  const { actor, resource } = wire as { readonly actor?: EventActor; readonly resource?: EventResource };
  return Object.freeze({
    ...present({ id, actor }),
    type: wire.event,
    at: new Date(wire.timestamp),
    teamId: wire.team_id,
    ...(resource
      ? { resource: { ...resource, type: resourceTypes.get(resource.type) ?? resource.type } }
      : {}),
    data: dataOf(wire.data),
  }) as WrennEvent;
}

function dataOf(data: object): object {
  return Object.fromEntries(
    Object.entries(data).map(([name, value]) => [
      name.replaceAll(/_(\w)/g, (_match, letter: string) => letter.toUpperCase()),
      /(?:^|_)at$/.test(name) && typeof value === "string" ? new Date(value) : (value as unknown),
    ]),
  );
}
