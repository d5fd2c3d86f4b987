import { formatId } from "@wrenn/core";
import type { EventRow } from "@wrenn/database";

/** An event as clients and notification channels get it (docs/guides/events.md). */
export interface EventJson {
  readonly event: string;
  readonly timestamp: string;
  readonly team_id: string;
  readonly actor: EventRow["actor"];
  readonly resource: { readonly id: string; readonly type: EventRow["resource_type"] };
  /** As the table of kinds says. */
  readonly data: Readonly<Record<string, unknown>>;
}

export function eventJson(row: EventRow): EventJson {
  return {
    event: row.type,
    timestamp: row.created_at.toISOString(),
    team_id: formatId("team", row.team_id),
    actor: row.actor,
    resource: { id: resourceId(row), type: row.resource_type },
    data: publicData(row),
  };
}

function resourceId({ resource_type: type, resource_id: id }: EventRow): string {
  switch (type) {
    case "sandbox":
      return formatId("capsule", id);
    case "checkpoint":
    case "port":
      return idInCapsule(id);
    case "host":
      return formatId("host", id);
    case "member":
      return formatId("user", id);
    case "api_key":
      return formatId("apiKey", id);
    case "build":
      return formatId("build", id);
    case "team":
      return formatId("team", id);
    case "invitation":
    case "snapshot":
      return id;
  }
}

/** Of `UUID/g3` and `UUID/tcp/80`: the capsule's id, and what it is of the capsule. */
function idInCapsule(id: string): string {
  const [capsule = "", ...rest] = id.split("/");
  return [formatId("capsule", capsule), ...rest].join("/");
}

/** The database writes the UUID of a person. */
function publicData({ resource_type: type, data }: EventRow): EventJson["data"] {
  const { created_by: person } = data;
  return type === "api_key" && typeof person === "string"
    ? { ...data, created_by: formatId("user", person) }
    : data;
}
