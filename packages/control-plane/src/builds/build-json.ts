import { formatId } from "@wrenn/core";
import type { BuildLine, BuildRow, BuildStep } from "@wrenn/database";
import { Type } from "typebox";
import type { Static } from "typebox";
import { timestamp } from "../http/timestamp.ts";
import { templateNameOf } from "../templates/template-name.ts";

const Step = Type.Object({
  step: Type.Integer({ description: "From 1, across all phases" }),
  phase: Type.String({ description: "`pre-build`, `recipe` or `post-build`" }),
  cmd: Type.String(),
  stdout: Type.String(),
  stderr: Type.String(),
  exit: Type.Optional(Type.Integer()),
  ok: Type.Boolean(),
  cached: Type.Boolean({ description: "Its result was there from an earlier build" }),
  elapsed_ms: Type.Integer(),
});

export const Build = Type.Object({
  id: Type.String({ description: "`bld-` and 25 characters" }),
  name: Type.String({ description: "`name` or `name:tag` of the template" }),
  base_template: Type.String({ description: "A template, or the image of a registry" }),
  recipe: Type.Array(Type.String(), { description: "One instruction each, as written" }),
  recipe_text: Type.Optional(Type.String({ description: "Of a build from a text" })),
  healthcheck: Type.Optional(Type.String()),
  vcpus: Type.Integer(),
  memory_mb: Type.Integer(),
  skip_pre_post: Type.Boolean(),
  status: Type.Enum(["pending", "running", "success", "failed", "cancelled", "interrupted"], {
    description: "`interrupted`: the control plane that ran it ended",
  }),
  current_step: Type.Integer({ description: "0 before the first" }),
  total_steps: Type.Integer(),
  logs: Type.Array(Step, { description: "Steps that have ended; empty in lists" }),
  dropped_lines: Type.Integer({
    description: "Lines beyond the limit: they are missing between the first and the last lines of the log",
  }),
  durations: Type.Object(
    {
      import_ms: Type.Optional(Type.Integer({ description: "Until the image of FROM was there" })),
      settle_ms: Type.Optional(Type.Integer({ description: "Until the health check succeeded" })),
      freeze_ms: Type.Optional(Type.Integer({ description: "Storing the template" })),
      smoke_test_ms: Type.Optional(Type.Integer({ description: "Starting capsules of the template" })),
    },
    { description: "What the build did besides its steps, as far as it has done it" },
  ),
  error: Type.Optional(Type.String()),
  reason: Type.Optional(Type.String({ description: "Entry of the error catalogue" })),
  sandbox_id: Type.Optional(Type.String({ description: "Capsule that it is built in" })),
  host_id: Type.Optional(Type.String()),
  default_user: Type.String(),
  default_env: Type.Record(Type.String(), Type.String()),
  created_at: Type.String(),
  started_at: Type.Optional(Type.String()),
  completed_at: Type.Optional(Type.String()),
});

export const LogLine = Type.Object({
  seq: Type.Integer({ description: "From 0; there is one gap where lines are beyond the limit" }),
  step: Type.Integer({ description: "0 outside of steps" }),
  stream: Type.Enum(["system", "stdout", "stderr"]),
  text: Type.String(),
  at: Type.String(),
  ended: Type.Optional(
    Type.Object(
      { ok: Type.Boolean(), cached: Type.Boolean(), elapsed_ms: Type.Integer() },
      { description: "The line ends its step, or what is done behind the steps" },
    ),
  ),
});

export function buildJson(row: BuildRow, steps: readonly BuildStep[] = []): Static<typeof Build> {
  return {
    id: formatId("build", row.id),
    name: templateNameOf(row),
    base_template: row.base_template,
    recipe: [...row.recipe],
    ...(row.recipe_text === null ? {} : { recipe_text: row.recipe_text }),
    ...(row.healthcheck === "" ? {} : { healthcheck: row.healthcheck }),
    vcpus: row.vcpus,
    memory_mb: row.memory_mb,
    skip_pre_post: row.skip_pre_post,
    status: row.status,
    current_step: row.current_step,
    total_steps: row.total_steps,
    logs: steps.map(({ exit, ...step }) => ({ ...step, ...(exit === null ? {} : { exit }) })),
    dropped_lines: row.dropped_lines,
    durations: row.durations,
    ...(row.error === null ? {} : { error: row.error }),
    ...(row.reason === null ? {} : { reason: row.reason }),
    ...(row.sandbox_id === null ? {} : { sandbox_id: formatId("capsule", row.sandbox_id) }),
    ...(row.host_id === null ? {} : { host_id: formatId("host", row.host_id) }),
    default_user: row.default_user,
    default_env: row.default_env,
    created_at: timestamp(row.created_at),
    ...(row.started_at === null ? {} : { started_at: timestamp(row.started_at) }),
    ...(row.completed_at === null ? {} : { completed_at: timestamp(row.completed_at) }),
  };
}

export function lineJson({ seq, step, stream, text, at, ended }: BuildLine): Static<typeof LogLine> {
  return { seq, step, stream, text, at: at.toISOString(), ...(ended && { ended }) };
}
