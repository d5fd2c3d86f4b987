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
  "capsule.expiring",
  "capsule.stalled",
  "capsule.continued",
  "checkpoint.expiring",
  "checkpoint.expired",
  "template.snapshot.created",
  "template.snapshot.deleted",
  "host.up",
  "host.down",
] as const;

function resourceId({ resource_type: type, resource_id: id }: EventRow): string {
  if (type === "sandbox") return formatId("capsule", id);
  if (type === "checkpoint") return checkpointId(id);
  return type === "host" ? formatId("host", id) : id;
}

/** Of `UUID/g3`: the capsule's id and the checkpoint's. */
function checkpointId(id: string): string {
  const [capsule = "", checkpoint = ""] = id.split("/");
  return `${formatId("capsule", capsule)}/${checkpoint}`;
}
