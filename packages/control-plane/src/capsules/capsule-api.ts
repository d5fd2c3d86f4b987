import { formatId } from "@wrenn/core";
import type { CapsuleRow } from "@wrenn/database";
import type { Static } from "typebox";
import type { Capsule } from "../http/schemas.ts";
import { timestamp } from "../http/timestamp.ts";

/** A capsule as the contract shows it: absent values are left out. */
export function capsuleJson(row: CapsuleRow): Static<typeof Capsule> {
  return {
    id: formatId("capsule", row.id),
    status: row.status,
    template: row.template,
    vcpus: row.vcpus,
    memory_mb: row.memory_mb,
    timeout_sec: row.timeout_sec,
    ...lifetimeOf(row),
    ...(row.host_ip === null ? {} : { host_ip: row.host_ip }),
    created_at: timestamp(row.created_at),
    ...(row.started_at === null ? {} : { started_at: timestamp(row.started_at) }),
    ...(row.last_active_at === null ? {} : { last_active_at: timestamp(row.last_active_at) }),
    last_updated: timestamp(row.last_updated),
    ...(row.status === "error" && row.problem !== null ? { problem: row.problem } : {}),
    ...(Object.keys(row.metadata).length === 0 ? {} : { metadata: row.metadata }),
  };
}

function lifetimeOf({ max_lifetime_sec: seconds, running_since: since }: CapsuleRow) {
  if (seconds === 0) return {};
  return {
    max_lifetime_sec: seconds,
    ...(since === null ? {} : { lifetime_ends_at: timestamp(new Date(since.getTime() + seconds * 1000)) }),
  };
}
