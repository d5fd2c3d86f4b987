import { teamOf, waitingClient } from "@wrenn/control-plane";
import type { App, SharedServices } from "@wrenn/control-plane";
import { formatId, WrennError } from "@wrenn/core";
import { Type } from "typebox";
import { errors } from "../api/error-body.ts";
import type { OwnSandboxes } from "./own-sandboxes.ts";
import { Started } from "./sandbox-json.ts";
import type { SandboxJson } from "./sandbox-json.ts";
import { SandboxParams } from "./sandbox-routes.ts";
import { timeoutOf } from "./timeout.ts";

const MAX_FORK = 100;
/** Seconds, where the client says nothing. */
const DEFAULT_TIMEOUT = 15;

export interface ForkRoutesDeps {
  readonly services: SharedServices;
  readonly sandboxes: OwnSandboxes;
  readonly json: SandboxJson;
}

/** Sandboxes that start from the present moment of a running one. All of them start, or none. */
export function registerFork(app: App, { services, sandboxes, json }: ForkRoutesDeps): void {
  app.post(
    "/sandboxes/:sandboxID/fork",
    {
      config: { scope: "run", waitsForHost: true },
      schema: {
        params: SandboxParams,
        body: Type.Optional(
          Type.Object({
            timeout: Type.Optional(Type.Integer()),
            count: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_FORK })),
          }),
        ),
        response: { 201: Type.Array(Type.Object({ sandbox: Started })), ...errors },
      },
    },
    async (request, reply) => {
      const team = teamOf(request);
      const { sandboxID } = request.params;
      const { count = 1, timeout = DEFAULT_TIMEOUT } = request.body ?? {};
      const seconds = timeoutOf(timeout);
      const sandbox = await sandboxes.get(team, sandboxID);
      if ((await sandboxes.state(sandbox)) === "paused")
        throw new WrennError("sandbox_paused_already", { sandbox: sandboxID });
      services.limits.create(team, count);
      const client = waitingClient(reply);
      const { forks, changes } = services.capsules;
      const children = await forks.fork(team, sandbox.capsuleId, { count, client });
      const rows = await Promise.all(
        children.map(async ({ id }) => {
          const child = formatId("capsule", id);
          // Its later runs last as long, too.
          await changes.change(team, child, { maxLifetimeSec: seconds });
          return await changes.extend(team, child, { fromNowSec: seconds });
        }),
      );
      await services.record(request, {
        resource: "sandbox",
        resourceId: sandbox.capsuleId,
        action: "fork",
      });
      await client.requirePresent();
      return await reply.status(201).send(rows.map((row) => ({ sandbox: json.started(row) })));
    },
  );
}
