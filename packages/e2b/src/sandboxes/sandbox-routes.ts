import { teamOf, waitingClient } from "@wrenn/control-plane";
import type { App, SharedServices } from "@wrenn/control-plane";
import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import type { Static } from "typebox";
import { errors } from "../api/error-body.ts";
import { egressFields, egressRules, requireOffered } from "../network/network-fields.ts";
import type { OwnSandboxes } from "./own-sandboxes.ts";
import { Detailed, Started } from "./sandbox-json.ts";
import type { SandboxJson } from "./sandbox-json.ts";
import type { RunRequest, SandboxRuns } from "./sandbox-runs.ts";
import { timeoutOf } from "./timeout.ts";

const DEFAULT_TIMEOUT = 300;
/** Of a refresh, in seconds. */
const [REFRESH, LONGEST_REFRESH] = [15, 3600];
const ALLOW_ALL = { egress: "allow", allow: [], deny: [] } as const;

export const SandboxParams = Type.Object({ sandboxID: Type.String() });
const none = { 204: Type.Null(), ...errors };
const Memory = Type.Optional(Type.Boolean());

export interface SandboxRoutesDeps {
  readonly services: SharedServices;
  readonly sandboxes: OwnSandboxes;
  readonly runs: SandboxRuns;
  readonly json: SandboxJson;
}

/** One sandbox: look, kill, and move its end. */
export function registerSandbox(app: App, { services, sandboxes, runs, json }: SandboxRoutesDeps): void {
  const params = SandboxParams;
  const { capsules, record, closing } = services;

  app.get(
    "/sandboxes/:sandboxID",
    { schema: { params, response: { 200: Detailed, ...errors } } },
    async (request) => {
      const sandbox = await sandboxes.get(teamOf(request), request.params.sandboxID);
      return json.detailed(sandbox.row, await sandboxes.state(sandbox));
    },
  );

  app.delete(
    "/sandboxes/:sandboxID",
    { config: { scope: "run", waitsForHost: true }, schema: { params, response: none } },
    async (request, reply) => {
      const { capsuleId } = await sandboxes.get(teamOf(request), request.params.sandboxID);
      await capsules.lifecycle.destroy(teamOf(request), capsuleId);
      await record(request, {
        resource: "sandbox",
        resourceId: capsuleId,
        action: "destroy",
        status: "warning",
      });
      return await reply.status(204).send(null);
    },
  );

  app.post(
    "/sandboxes/:sandboxID/timeout",
    {
      config: { scope: "run", waitsForHost: true },
      schema: { params, body: Type.Object({ timeout: Type.Integer() }), response: none },
    },
    async (request, reply) => {
      const { timeout } = request.body;
      const seconds = timeout <= 0 ? 0 : timeoutOf(timeout);
      await runs.setEnd(runRequest(request, reply, closing), seconds);
      return await reply.status(204).send(null);
    },
  );

  app.post(
    "/sandboxes/:sandboxID/refreshes",
    {
      config: { scope: "run", waitsForHost: true },
      schema: {
        params,
        body: Type.Optional(
          Type.Object({ duration: Type.Optional(Type.Integer({ maximum: LONGEST_REFRESH })) }),
        ),
        response: none,
      },
    },
    async (request, reply) => {
      const seconds = Math.max(REFRESH, request.body?.duration ?? REFRESH);
      await runs.keepAlive(runRequest(request, reply, closing), seconds);
      return await reply.status(204).send(null);
    },
  );

  app.put(
    "/sandboxes/:sandboxID/network",
    {
      config: { scope: "egress", waitsForHost: true },
      schema: {
        params,
        body: Type.Optional(
          Type.Object({ ...egressFields, allow_internet_access: Type.Optional(Type.Boolean()) }),
        ),
        response: none,
      },
    },
    async (request, reply) => {
      const { allow_internet_access: allowsInternet, ...egress } = request.body ?? {};
      requireOffered(egress);
      const { capsuleId } = await sandboxes.get(teamOf(request), request.params.sandboxID);
      const rules = egressRules({ ...egress, allowsInternet }) ?? ALLOW_ALL;
      await capsules.networks.setRules(teamOf(request), capsuleId, rules);
      await record(request, { resource: "sandbox", resourceId: capsuleId, action: "network" });
      return await reply.status(204).send(null);
    },
  );

  registerPauses(app, { services, sandboxes, runs, json });
}

function registerPauses(app: App, { services, sandboxes, runs, json }: SandboxRoutesDeps): void {
  const params = SandboxParams;
  const config = { scope: "run", waitsForHost: true } as const;
  const recordAction = async (request: Parameters<typeof services.record>[0], id: string, action: string) => {
    const { capsuleId } = await sandboxes.get(teamOf(request), id);
    await services.record(request, { resource: "sandbox", resourceId: capsuleId, action });
  };

  app.post(
    "/sandboxes/:sandboxID/pause",
    {
      config,
      schema: { params, body: Type.Optional(Type.Object({ memory: Memory })), response: none },
    },
    async (request, reply) => {
      const { sandboxID } = request.params;
      await runs.pause(runRequest(request, reply, services.closing), request.body?.memory ?? true);
      await recordAction(request, sandboxID, "pause");
      return await reply.status(204).send(null);
    },
  );

  for (const path of ["/sandboxes/:sandboxID/connect", "/v2/sandboxes/:sandboxID/connect"])
    app.post(
      path,
      {
        config,
        schema: {
          params,
          body: Type.Optional(Type.Object({ timeout: Type.Optional(Type.Integer()), memory: Memory })),
          response: { 200: Started, 201: Started, ...errors },
        },
      },
      async (request, reply) => {
        const { sandboxID } = request.params;
        const { timeout = DEFAULT_TIMEOUT, memory = true } = request.body ?? {};
        const wanted = { timeoutSec: timeoutOf(timeout), memory };
        const asked = runRequest(request, reply, services.closing);
        const { row, isResumed } = await runs.connect(asked, wanted);
        if (isResumed) await recordAction(request, sandboxID, "resume");
        return await reply.status(isResumed ? 201 : 200).send(json.started(row));
      },
    );

  app.post(
    "/sandboxes/:sandboxID/resume",
    {
      config,
      schema: {
        params,
        body: Type.Optional(
          Type.Object({
            timeout: Type.Optional(Type.Integer()),
            autoPause: Type.Optional(Type.Boolean()),
            memory: Memory,
          }),
        ),
        response: { 201: Started, ...errors },
      },
    },
    async (request, reply) => {
      const { sandboxID } = request.params;
      const { timeout = REFRESH, autoPause, memory = true } = request.body ?? {};
      const asked = runRequest(request, reply, services.closing);
      const row = await runs.resume(asked, { timeoutSec: timeoutOf(timeout), memory });
      if (autoPause !== undefined) {
        const { capsuleId } = await sandboxes.get(teamOf(request), sandboxID);
        await services.capsules.changes.change(teamOf(request), capsuleId, {
          onLifetimeEnd: autoPause ? "pause" : "destroy",
        });
      }
      await recordAction(request, sandboxID, "resume");
      return await reply.status(201).send(json.started(row));
    },
  );
}

/** @param closing - aborts when the server begins to close. */
function runRequest(
  request: FastifyRequest<{ Params: Static<typeof SandboxParams> }>,
  reply: FastifyReply,
  closing: AbortSignal,
): RunRequest {
  return {
    teamId: teamOf(request),
    sandboxId: request.params.sandboxID,
    signal: AbortSignal.any([waitingClient(reply).left, closing]),
  };
}
