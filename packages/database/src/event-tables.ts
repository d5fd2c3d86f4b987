import type { ColumnType, Generated } from "kysely";

/** Who did something: a person, a key, or nobody in particular. */
export interface Actor {
  readonly type: "user" | "api_key" | "system";
  readonly id?: string;
  readonly name?: string;
}

export interface EventsTable {
  /** int8 comes as text from the driver. */
  id: Generated<string>;
  team_id: string;
  type: string;
  actor: ColumnType<Actor, string, never>;
  resource_type: "sandbox" | "checkpoint" | "snapshot" | "host";
  resource_id: string;
  created_at: Generated<Date>;
}

export interface EventHorizonTable {
  /** Events up to this one are kept no more. */
  id: string;
}
