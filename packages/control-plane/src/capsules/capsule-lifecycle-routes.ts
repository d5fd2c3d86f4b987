import type { CheckpointFacts } from "@wrenn/protocol";
import { Type } from "typebox";
import { teamOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { capsuleJson } from "./capsule-api.ts";
import { pageThrough, PageQuery, timeKey } from "../http/paging.ts";
import { Capsule, CapsuleParams, refusals, SafeName } from "../http/schemas.ts";
import type { CapsulesService } from "./capsule-rows.ts";
import type { RequestLimits } from "../http/request-limits.ts";
import type { RecordAudit } from "../audit/audit.ts";

const MAX_FORK = 32;

const Checkpoint = Type.Object({
  id: Type.String(),
  kind: Type.String({ description: "checkpoint, or pause for the last pauses" }),
  name: Type.Optional(Type.String()),
  created_at: Type.String(),
  memory_bytes: Type.Integer({ description: "Size of the changed pages" }),
  stopped_ms: Type.Optional(Type.Number({ description: "For how long the capsule stood still" })),
});

const CheckpointParams = Type.Object({
  id: Type.String(),
  checkpoint: Type.String({ pattern: "^g[0-9]{1,9}$", description: "Id of the checkpoint, such as g3" }),
});

export interface CapsuleLifeRoutesDeps {
  readonly capsules: CapsulesService;
  readonly limits: RequestLimits;
  readonly record: RecordAudit;
}

/** Pause, resume, fork and checkpoints (contract 10 §6; fork and checkpoints are ours). */
export function registerCapsuleLifeRoutes(
  app: App,
  { capsules, limits, record }: CapsuleLifeRoutesDeps,
): void {
  const { life } = capsules;
  const done = (request: Parameters<typeof teamOf>[0], id: string, action: string): Promise<void> =>
    record(request, { resource: "sandbox", resourceId: id, action });
  const schema = { tags: ["capsules"], params: CapsuleParams };

  app.post(
    "/v1/capsules/:id/pause",
    {
      schema: {
        ...schema,
        summary: "Pause a capsule",
        description:
          "Its memory, processes and disk are kept; it holds no memory and no CPU of the host. Open streams wait for the next resume. 409 unless it runs.",
        response: { 200: Capsule, ...refusals },
      },
    },
    async (request) => {
      const row = await life.pause(teamOf(request), request.params.id);
      await done(request, request.params.id, "pause");
      return capsuleJson(row);
    },
  );

  app.post(
    "/v1/capsules/:id/resume",
    {
      schema: {
        ...schema,
        summary: "Resume a paused capsule",
        description: "409 unless it is paused. A resume that fails leaves it paused with its state intact.",
        response: { 200: Capsule, ...refusals },
      },
    },
    async (request) => {
      const row = await life.resume(teamOf(request), request.params.id);
      await done(request, request.params.id, "resume");
      return capsuleJson(row);
    },
  );

  app.post(
    "/v1/capsules/:id/ping",
    {
      schema: {
        ...schema,
        summary: "Count as activity",
        response: { 204: Type.Null(), ...refusals },
      },
    },
    async (request, reply) => {
      await capsules.ping(teamOf(request), request.params.id);
      return await reply.status(204).send(null);
    },
  );

  app.post(
    "/v1/capsules/:id/fork",
    {
      schema: {
        ...schema,
        summary: "Start capsules from this moment of a running one",
        description:
          "The capsule goes on after a stop of some tens of milliseconds. All children run, or none is left.",
        body: Type.Object({ count: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_FORK })) }),
        response: { 201: Type.Array(Capsule), ...refusals },
      },
    },
    async (request, reply) => {
      const { count = 1 } = request.body;
      limits.create(teamOf(request), count);
      const children = await life.fork(teamOf(request), request.params.id, count);
      await done(request, request.params.id, "fork");
      return await reply.status(201).send(children.map(capsuleJson));
    },
  );

  app.post(
    "/v1/capsules/:id/checkpoints",
    {
      schema: {
        ...schema,
        summary: "Keep this moment of a running capsule",
        body: Type.Object({ name: Type.Optional(SafeName) }),
        response: { 201: Checkpoint, ...refusals },
      },
    },
    async (request, reply) => {
      const facts = await life.checkpoint(teamOf(request), request.params.id, request.body.name);
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
      pageThrough(reply, request, await life.checkpoints(teamOf(request), request.params.id), {
        list: "checkpoints",
        keyOf: (facts) => timeKey(facts.createdAt, facts.id),
        newestFirst: true,
      }).map((facts) => checkpointJson(facts)),
  );

  app.post(
    "/v1/capsules/:id/checkpoints/:checkpoint/restore",
    {
      schema: {
        ...schema,
        summary: "Go back to a moment; what came after it is lost",
        params: CheckpointParams,
        response: { 200: Capsule, ...refusals },
      },
    },
    async (request) => {
      const { id, checkpoint } = request.params;
      const row = await life.restore(teamOf(request), id, checkpoint);
      await done(request, id, "restore");
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
      await life.deleteCheckpoint(teamOf(request), request.params.id, request.params.checkpoint);
      return await reply.status(204).send(null);
    },
  );
}

function checkpointJson({ id, kind, name, createdAt, memoryBytes, stoppedMs }: CheckpointFacts) {
  return {
    id,
    kind,
    ...(name === undefined ? {} : { name }),
    created_at: new Date(createdAt).toISOString(),
    memory_bytes: memoryBytes,
    ...(stoppedMs === undefined ? {} : { stopped_ms: Math.round(stoppedMs * 10) / 10 }),
  };
}
