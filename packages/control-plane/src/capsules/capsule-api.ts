import { defined, formatId } from "@wrenn/core";
import type { CapsuleRow } from "@wrenn/database";
import { Type } from "typebox";
import type { Static } from "typebox";
import { timestamp } from "../http/timestamp.ts";
import { endOfRun } from "./capsule-changes.ts";

/** Path of the capsules of the caller's team. */
export const CAPSULES: string = "/v1/capsules";

/** Path of the capsules of the platform's team; most routes of {@link CAPSULES} exist below it too. */
export const ADMIN_CAPSULES: string = "/v1/admin/capsules";

export const Capsule = Type.Object(
  {
    id: Type.String(),
    name: Type.Optional(Type.String({ description: "Left out when it has none" })),
    status: Type.String({
      description: "pending, starting, running, paused, hibernated, missing, stopped or error",
    }),
    template: Type.String(),
    vcpus: Type.Integer(),
    memory_mb: Type.Integer(),
    timeout_sec: Type.Integer(),
    max_lifetime_sec: Type.Optional(Type.Integer({ description: "Left out when there is no limit" })),
    lifetime_ends_at: Type.Optional(
      Type.String({
        description: "When the present run of a running capsule ends whether or not it is in use",
      }),
    ),
    on_lifetime_end: Type.String({ description: "pause, pause_disk or destroy" }),
    auto_resume: Type.Boolean(),
    disk_mb: Type.Integer(),
    user: Type.Optional(Type.String({ description: "User of commands that name none; left out for root" })),
    cwd: Type.Optional(Type.String({ description: "Directory of commands that name none" })),
    env_names: Type.Optional(
      Type.Array(Type.String(), {
        description: "Names of the default environment; lists leave it out. The values are never shown.",
      }),
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
    progress: Type.Optional(
      Type.Object(
        {
          phase: Type.String({ description: "copying_template" }),
          done_bytes: Type.Integer(),
          total_bytes: Type.Integer(),
        },
        {
          description:
            "Of a capsule that is being created, while its template is copied to its host: how far that is",
        },
      ),
    ),
    memory_kept: Type.Optional(
      Type.Boolean({
        description: "Of a paused capsule: whether a resume goes on with its memory, or boots its disk",
      }),
    ),
    disk_at_boot: Type.Optional(
      Type.String({
        description:
          "Of a running capsule that was booted from its disk: clean, or checked when it had not been unmounted and was checked and repaired",
      }),
    ),
    health: Type.Optional(
      Type.String({
        description:
          "Of a running capsule: ok, or not_answering while its guest agent does not answer. Commands, files and pauses with memory need it.",
      }),
    ),
    disk_full: Type.Optional(
      Type.Boolean({
        description:
          "Of a running capsule: true while less than 1 % of its disk, or of the files it can hold, is free",
      }),
    ),
    metadata: Type.Optional(
      Type.Record(Type.String(), Type.String(), {
        description: "What its team says about it, and the versions of what runs it (`kernel_version`, …)",
      }),
    ),
  },
  { description: "A capsule" },
);

/** A capsule by itself: absent values are left out. */
export function capsuleJson(row: CapsuleRow): Static<typeof Capsule> {
  const { env_names: names } = row;
  return { ...listedCapsuleJson(row), ...(names.length === 0 ? {} : { env_names: names }) };
}

/** A capsule in a list. */
export function listedCapsuleJson(row: CapsuleRow): Static<typeof Capsule> {
  const metadata = { ...row.user_metadata, ...row.metadata };
  return {
    id: formatId("capsule", row.id),
    ...defined({ name: row.name ?? undefined }),
    status: row.status,
    template: row.template,
    vcpus: row.vcpus,
    memory_mb: row.memory_mb,
    timeout_sec: row.timeout_sec,
    ...lifetimeOf(row),
    on_lifetime_end: row.on_lifetime_end,
    auto_resume: row.auto_resume,
    disk_mb: row.disk_mb,
    ...defined({
      user: row.default_user ?? undefined,
      cwd: row.default_cwd ?? undefined,
      host_ip: row.host_ip ?? undefined,
    }),
    created_at: timestamp(row.created_at),
    ...defined({
      started_at: row.started_at ? timestamp(row.started_at) : undefined,
      last_active_at: row.last_active_at ? timestamp(row.last_active_at) : undefined,
    }),
    last_updated: timestamp(row.last_updated),
    ...((row.status === "error" || row.status === "running") && row.problem !== null
      ? { problem: row.problem }
      : {}),
    ...((row.status === "pending" || row.status === "starting") && row.progress !== null
      ? { progress: row.progress }
      : {}),
    ...(row.status === "paused" ? { memory_kept: row.kept !== "disk" } : {}),
    ...(row.status === "running" && row.disk_at_boot !== null ? { disk_at_boot: row.disk_at_boot } : {}),
    ...(row.status === "running" ? { health: row.health ?? "ok" } : {}),
    ...(row.status === "running" && row.full_disk !== null ? { disk_full: true } : {}),
    ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
  };
}

function lifetimeOf(row: CapsuleRow) {
  const { max_lifetime_sec: seconds } = row;
  const end = endOfRun(row);
  return {
    ...(seconds === 0 ? {} : { max_lifetime_sec: seconds }),
    ...(end ? { lifetime_ends_at: timestamp(end) } : {}),
  };
}
