import type { ColumnType, Generated } from "kysely";

/** Who did something: a person, a key, or nobody in particular. */
export interface Actor {
  readonly type: "user" | "api_key" | "system";
  readonly id?: string;
  readonly name?: string;
}

/** What an event is about. */
export type EventResource =
  | "sandbox"
  | "checkpoint"
  | "port"
  | "snapshot"
  | "build"
  | "host"
  | "member"
  | "invitation"
  | "team"
  | "api_key";

export interface EventsTable {
  /** int8 comes as text from the driver. */
  id: Generated<string>;
  team_id: string;
  type: string;
  actor: ColumnType<Actor, string, never>;
  resource_type: EventResource;
  /** UUID of what has one, name of a template, `UUID/checkpoint` and `UUID/tcp/80` of what a capsule has. */
  resource_id: string;
  /** Facts of the kind of event; a JSON object. */
  data: ColumnType<Readonly<Record<string, unknown>>, string | undefined, never>;
  capsule_id: ColumnType<string | null, never, never>;
  created_at: Generated<Date>;
}

export interface EventHorizonTable {
  /** Events up to this one are kept no more. */
  id: string;
  /** When that one happened. */
  at: Date | null;
}

export interface TeamEventHorizonsTable {
  team_id: string;
  /** Events of the team up to this one were too many. */
  id: string;
  at: Date;
}
