import { Type } from "typebox";
import type { RecordAudit } from "../audit/audit.ts";
import { teamOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import type { RequestLimits } from "../http/request-limits.ts";
import { CapsuleParams, refusals } from "../http/schemas.ts";
import { waitingClient } from "../http/waiting-client.ts";
import { Capsule, capsuleJson } from "./capsule-api.ts";
import type { CapsuleForks } from "./capsule-forks.ts";
import type { CapsuleLifecycle } from "./capsule-lifecycle.ts";
import type { RunningCapsules } from "./running-capsules.ts";

const MAX_FORK = 32;

export interface CapsuleLifecycleRoutesDeps {
  readonly lifecycle: CapsuleLifecycle;
  readonly running: RunningCapsules;
  readonly forks: CapsuleForks;
  readonly limits: RequestLimits;
  readonly record: RecordAudit;
}

/** Pause, resume, ping and fork (docs/reference/rest-api.md#capsules; fork is our addition). */
export function registerCapsuleLifecycleRoutes(
  app: App,
  { lifecycle, running, forks, limits, record }: CapsuleLifecycleRoutesDeps,
): void {
  const recordAction = (request: Parameters<typeof teamOf>[0], id: string, action: string): Promise<void> =>
    record(request, { resource: "sandbox", resourceId: id, action });
  const schema = { tags: ["capsules"], params: CapsuleParams };

  app.post(
    "/v1/capsules/:id/pause",
    {
      config: { timing: {} },
      schema: {
        ...schema,
        summary: "Pause a capsule",
        description:
          "Its memory, processes and disk are kept; it uses no CPU of the host, and its memory is free for others. Open streams wait for the next resume. With `memory: false` its processes end and its disk alone is kept: the next resume boots it. 409 unless it runs.",
        body: Type.Optional(
          Type.Object({
            memory: Type.Optional(
              Type.Boolean({ description: "Whether memory and processes are kept; default: true" }),
            ),
          }),
        ),
        response: { 200: Capsule, ...refusals },
      },
    },
    async (request) => {
      const row = await lifecycle.pause(teamOf(request), request.params.id, request.body ?? {});
      await recordAction(request, request.params.id, "pause");
      return capsuleJson(row);
    },
  );

  app.post(
    "/v1/capsules/:id/resume",
    {
      config: { timing: {} },
      schema: {
        ...schema,
        summary: "Resume a paused capsule",
        description:
          "409 unless it is paused. A capsule whose disk alone was kept is booted, and any other one with `memory: false`. A disk that was not unmounted is checked and repaired first. A resume that fails leaves it paused with its state intact.",
        body: Type.Optional(
          Type.Object({
            memory: Type.Optional(
              Type.Boolean({
                description: "Whether it runs on with its memory, or is booted from its disk; default: true",
              }),
            ),
          }),
        ),
        response: { 200: Capsule, ...refusals },
      },
    },
    async (request) => {
      const row = await lifecycle.resume(teamOf(request), request.params.id, request.body ?? {});
      await recordAction(request, request.params.id, "resume");
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
      await running.ping(teamOf(request), request.params.id);
      return await reply.status(204).send(null);
    },
  );

  app.post(
    "/v1/capsules/:id/fork",
    {
      config: { timing: {} },
      schema: {
        ...schema,
        summary: "Start capsules from this moment of a running one",
        description:
          "The capsule goes on after a stop of some tens of milliseconds. One that was paused without its memory stays paused, and each child is booted from its disk. All children run, or none is left; none is left of a client that closes its connection before the answer.",
        body: Type.Optional(
          Type.Object({ count: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_FORK })) }),
        ),
        response: { 201: Type.Array(Capsule), ...refusals },
      },
    },
    async (request, reply) => {
      const { count = 1 } = request.body ?? {};
      limits.create(teamOf(request), count);
      const client = waitingClient(reply);
      const children = await forks.fork(teamOf(request), request.params.id, { count, client });
      await recordAction(request, request.params.id, "fork");
      await client.requirePresent();
      return await reply.status(201).send(children.map(capsuleJson));
    },
  );
}
