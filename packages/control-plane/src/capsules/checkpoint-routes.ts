import { defined } from "@wrenn/core";
import type { CheckpointFacts } from "@wrenn/protocol";
import { Type } from "typebox";
import type { RecordAudit } from "../audit/audit.ts";
import { teamOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { pageThrough, PageQuery, timeKey } from "../http/paging.ts";
import { CapsuleParams, refusals, SafeName } from "../http/schemas.ts";
import { Capsule, capsuleJson } from "./capsule-api.ts";
import type { Checkpoints } from "./checkpoints.ts";

const Checkpoint = Type.Object({
  id: Type.String(),
  kind: Type.String({ description: "checkpoint, or pause for the last pauses" }),
  name: Type.Optional(Type.String()),
  created_at: Type.String(),
  memory_bytes: Type.Integer({ description: "Size of the changed pages" }),
  disk_only: Type.Optional(
    Type.Boolean({ description: "Present for a pause without memory: going back to it boots its disk" }),
  ),
  stopped_ms: Type.Optional(Type.Number({ description: "For how long the capsule stood still" })),
});

const CheckpointParams = Type.Object({
  id: Type.String(),
  checkpoint: Type.String({ pattern: "^g[0-9]{1,9}$", description: "Id of the checkpoint, such as g3" }),
});

export interface CheckpointRoutesDeps {
  readonly checkpoints: Checkpoints;
  readonly record: RecordAudit;
}

/** Checkpoints of capsules; our addition to the contract. */
export function registerCheckpointRoutes(app: App, { checkpoints, record }: CheckpointRoutesDeps): void {
  const schema = { tags: ["capsules"], params: CapsuleParams };

  app.post(
    "/v1/capsules/:id/checkpoints",
    {
      schema: {
        ...schema,
        summary: "Keep this moment of a running capsule",
        body: Type.Optional(Type.Object({ name: Type.Optional(SafeName) })),
        response: { 201: Checkpoint, ...refusals },
      },
    },
    async (request, reply) => {
      const facts = await checkpoints.create(teamOf(request), request.params.id, request.body?.name);
      return await reply.status(201).send(checkpointJson(facts));
    },
  );

  app.get(
    "/v1/capsules/:id/checkpoints",
    {
      schema: {
        ...schema,
        summary: "List moments that the capsule can go back to, newest first",
        querystring: PageQuery,
        response: { 200: Type.Array(Checkpoint), ...refusals },
      },
    },
    async (request, reply) =>
      pageThrough(reply, request, await checkpoints.list(teamOf(request), request.params.id), {
        list: "checkpoints",
        keyOf: (facts) => timeKey(facts.createdAt, facts.id),
        newestFirst: true,
      }).map((facts) => checkpointJson(facts)),
  );

  app.post(
    "/v1/capsules/:id/checkpoints/:checkpoint/restore",
    {
      config: { timing: {} },
      schema: {
        ...schema,
        summary: "Go back to a moment; what came after it is lost",
        params: CheckpointParams,
        response: { 200: Capsule, ...refusals },
      },
    },
    async (request) => {
      const { id, checkpoint } = request.params;
      const row = await checkpoints.restore(teamOf(request), id, checkpoint);
      await record(request, { resource: "sandbox", resourceId: id, action: "restore" });
      return capsuleJson(row);
    },
  );

  app.delete(
    "/v1/capsules/:id/checkpoints/:checkpoint",
    {
      schema: {
        ...schema,
        summary: "Delete a checkpoint",
        params: CheckpointParams,
        response: { 204: Type.Null(), ...refusals },
      },
    },
    async (request, reply) => {
      await checkpoints.delete(teamOf(request), request.params.id, request.params.checkpoint);
      return await reply.status(204).send(null);
    },
  );
}

function checkpointJson({ id, kind, name, createdAt, memoryBytes, diskOnly, stoppedMs }: CheckpointFacts) {
  return {
    id,
    kind,
    ...defined({ name }),
    created_at: new Date(createdAt).toISOString(),
    memory_bytes: memoryBytes,
    ...defined({ disk_only: diskOnly }),
    ...(stoppedMs === undefined ? {} : { stopped_ms: Math.round(stoppedMs * 10) / 10 }),
  };
}
