import { formatId } from "@wrenn/core";
import type { EventCursor, EventRow } from "@wrenn/database";

/** An event as clients and notification channels get it (contract 20 §7). */
export interface EventJson {
  readonly event: string;
  readonly timestamp: string;
  readonly team_id: string;
  readonly actor: EventRow["actor"];
  readonly resource: { readonly id: string; readonly type: EventRow["resource_type"] };
}

export function eventJson(row: EventRow): EventJson {
  return {
    event: row.type,
    timestamp: row.created_at.toISOString(),
    team_id: formatId("team", row.team_id),
    actor: row.actor,
    resource: { id: resourceId(row), type: row.resource_type },
  };
}

export function cursorText({ tx, id }: EventCursor): string {
  return `${tx}-${id}`;
}

/** @returns undefined for what is no cursor of ours. */
export function parseCursor(text: string): EventCursor | undefined {
  const [, tx, id] = /^(\d{1,19})-(\d{1,19})$/.exec(text) ?? [];
  if (tx === undefined || id === undefined || BigInt(tx) > MAX || BigInt(id) > MAX) return undefined;
  return { tx, id };
}

const MAX = 2n ** 63n - 1n;

function resourceId({ resource_type: type, resource_id: id }: EventRow): string {
  if (type === "sandbox") return formatId("capsule", id);
  return type === "host" ? formatId("host", id) : id;
}
