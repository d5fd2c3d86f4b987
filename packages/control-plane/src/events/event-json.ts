import { formatId } from "@wrenn/core";
import type { EventRow } from "@wrenn/database";

/** An event as clients and notification channels get it (docs/reference/control-plane.md#events). */
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

/** Every type that there is. */
export const eventTypes = [
  "capsule.created",
  "capsule.running",
  "capsule.paused",
  "capsule.destroyed",
  "capsule.failed",
  "capsule.missing",
  "capsule.stalled",
  "capsule.continued",
  "template.snapshot.created",
  "template.snapshot.deleted",
  "host.up",
  "host.down",
] as const;

function resourceId({ resource_type: type, resource_id: id }: EventRow): string {
  if (type === "sandbox") return formatId("capsule", id);
  return type === "host" ? formatId("host", id) : id;
}
