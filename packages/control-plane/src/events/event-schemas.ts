import { Type } from "typebox";
import type { TSchema } from "typebox";
import { eventKindsByName, GAP, GapData } from "./event-kinds.ts";

const Actor = Type.Object({
  type: Type.Enum(["user", "api_key", "system"]),
  id: Type.Optional(Type.String()),
  name: Type.Optional(Type.String()),
});
const common = { timestamp: Type.String({ description: "RFC 3339, UTC" }), team_id: Type.String() };

/** The schema of every kind of event, made of the table of kinds. */
export const eventSchemas: readonly TSchema[] = [...eventKindsByName].map(
  ([name, { summary, resource, data }]) =>
    Type.Object(
      {
        event: Type.Literal(name),
        ...common,
        actor: Actor,
        resource: Type.Object({ id: Type.String(), type: Type.Literal(resource) }),
        data,
      },
      { title: name, description: summary },
    ),
);

export const GapSchema = Type.Object(
  { event: Type.Literal(GAP), ...common, data: GapData },
  { title: GAP, description: "Events that are not stored are missing here" },
);

/** The same in a list, with the id that a stream can go on from. */
export const ListedEvent = Type.Object({
  id: Type.String({ description: "Place in the stream, for `Last-Event-ID` and `after`" }),
  event: Type.String({ description: "Kind, as docs/reference/events.md lists" }),
  ...common,
  actor: Actor,
  resource: Type.Object({ id: Type.String(), type: Type.String() }),
  data: Type.Record(Type.String(), Type.Unknown()),
});
