import type { ColumnType } from "kysely";

export type MailState = "waiting" | "kept" | "delivered" | "failed";

export interface MailsTable {
  id: string;
  recipient: string;
  kind: string;
  content: ColumnType<Buffer | null, Buffer, null>;
  token_hash: ColumnType<string | null, string | null, never>;
  state: MailState;
  attempts: ColumnType<number, never, number>;
  due_at: ColumnType<Date, never, Date>;
  problem: ColumnType<string | null, never, string | null>;
  created_at: ColumnType<Date, never, never>;
  expires_at: Date;
}
