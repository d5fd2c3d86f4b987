import { teamOf, waitingClient } from "@wrenn/control-plane";
import type { App, SharedServices } from "@wrenn/control-plane";
import { formatId, WrennError } from "@wrenn/core";
import type { CapsuleRow } from "@wrenn/database";
import { Type } from "typebox";
import type { Static } from "typebox";
import { errorEntry } from "../api/e2b-answers.ts";
import { ErrorBody, errors } from "../api/error-body.ts";
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

/** A fork, or why there is none in its place. */
const ForkEntry = Type.Union([Type.Object({ sandbox: Started }), Type.Object({ error: ErrorBody })]);

/** Sandboxes that start from the present moment of a running one. One that cannot be started leaves the others. */
export function registerFork(app: App, { services, sandboxes, json }: ForkRoutesDeps): void {
  const endIn = async ({ id, team_id: team }: CapsuleRow, seconds: number): Promise<CapsuleRow> => {
    const { changes } = services.capsules;
    const child = formatId("capsule", id);
    // Its later runs last as long, too.
    await changes.change(team, child, { maxLifetimeSec: seconds });
    return await changes.extend(team, child, { fromNowSec: seconds });
  };

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
        response: { 201: Type.Array(ForkEntry), ...errors },
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
      const children = await services.capsules.forks.forkEach(team, sandbox.capsuleId, { count, client });
      const entries = await Promise.all(
        children.map(async (child): Promise<Static<typeof ForkEntry>> => {
          if ("error" in child) return { error: errorEntry(child.error) };
          try {
            return { sandbox: json.started(await endIn(child.row, seconds)) };
          } catch (error) {
            // Somebody has killed it.
            if (error instanceof WrennError) return { error: errorEntry(error) };
            throw error;
          }
        }),
      );
      await services.record(request, {
        resource: "sandbox",
        resourceId: sandbox.capsuleId,
        action: "fork",
      });
      await client.requirePresent();
      return await reply.status(201).send(entries);
    },
  );
}
