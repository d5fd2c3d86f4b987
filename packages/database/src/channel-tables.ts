import type { ColumnType, Generated } from "kysely";

type Stamp = ColumnType<Date, Date | undefined, Date>;

export interface ChannelsTable {
  id: string;
  team_id: string;
  name: string;
  provider: string;
  events: string[];
  config: Buffer;
  created_at: Stamp;
  updated_at: Stamp;
}

export interface DeliveriesTable {
  id: Generated<string>;
  channel_id: string;
  /** int8 comes as text from the driver. */
  event_id: string;
  state: ColumnType<"waiting" | "delivered" | "failed", never, "waiting" | "delivered" | "failed">;
  attempts: ColumnType<number, never, number>;
  due_at: Stamp;
  problem: ColumnType<string | null, never, string | null>;
  created_at: Stamp;
}
