import { defined, formatId } from "@wrenn/core";
import type { CapsuleRow } from "@wrenn/database";
import { Type } from "typebox";
import type { Static } from "typebox";
import { timestamp } from "../http/timestamp.ts";

/** Path of the capsules of the caller's team. */
export const CAPSULES: string = "/v1/capsules";

/** Path of the capsules of the platform's team; most routes of {@link CAPSULES} exist below it too. */
export const ADMIN_CAPSULES: string = "/v1/admin/capsules";

export const Capsule = Type.Object(
  {
    id: Type.String(),
    status: Type.String({
      description: "pending, starting, running, paused, hibernated, missing, stopped or error",
    }),
    template: Type.String(),
    vcpus: Type.Integer(),
    memory_mb: Type.Integer(),
    timeout_sec: Type.Integer(),
    max_lifetime_sec: Type.Optional(Type.Integer({ description: "Left out when there is no limit" })),
    lifetime_ends_at: Type.Optional(
      Type.String({ description: "When a running capsule is paused whether or not it is in use" }),
    ),
    host_ip: Type.Optional(Type.String({ description: "Address of the capsule on its host" })),
    created_at: Type.String({ description: "RFC 3339, UTC" }),
    started_at: Type.Optional(Type.String()),
    last_active_at: Type.Optional(Type.String()),
    last_updated: Type.String(),
    problem: Type.Optional(
      Type.String({
        description:
          "Why a capsule whose status is error has failed, or why a running one stands still: the disk of its host is full",
      }),
    ),
    metadata: Type.Optional(Type.Record(Type.String(), Type.String())),
  },
  { description: "A capsule" },
);

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
    ...defined({ host_ip: row.host_ip ?? undefined }),
    created_at: timestamp(row.created_at),
    ...defined({
      started_at: row.started_at ? timestamp(row.started_at) : undefined,
      last_active_at: row.last_active_at ? timestamp(row.last_active_at) : undefined,
    }),
    last_updated: timestamp(row.last_updated),
    ...((row.status === "error" || row.status === "running") && row.problem !== null
      ? { problem: row.problem }
      : {}),
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
