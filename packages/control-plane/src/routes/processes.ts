import { Type } from "typebox";
import { teamOf } from "./app.ts";
import type { App, RouteServices } from "./app.ts";
import { CapsuleParams, refusals } from "./schemas.ts";

const SIGTERM = 15;
const SIGKILL = 9;
const CALL_MS = 10_000;

const ProcessParams = Type.Object({
  id: Type.String(),
  selector: Type.String({ maxLength: 128, description: "pid (all digits) or tag" }),
});

const ProcessList = Type.Object({
  processes: Type.Array(
    Type.Object({
      pid: Type.Integer(),
      tag: Type.Optional(Type.String()),
      cmd: Type.String(),
      args: Type.Optional(Type.Array(Type.String())),
    }),
  ),
});

/** Processes that were started through the API (contract 10 §7). */
export function processRoutes(app: App, { capsules, hostAgent }: RouteServices): void {
  app.get(
    "/v1/capsules/:id/processes",
    {
      schema: {
        summary: "List live processes",
        tags: ["commands"],
        params: CapsuleParams,
        response: { 200: ProcessList, ...refusals },
      },
    },
    async (request) => {
      await capsules.running(teamOf(request), request.params.id);
      const processes = await hostAgent.processes(request.params.id).list(AbortSignal.timeout(CALL_MS));
      return {
        processes: processes.map(({ pid, tag, cmd, args }) => ({
          pid,
          ...(tag === undefined ? {} : { tag }),
          cmd,
          ...(args.length === 0 ? {} : { args: [...args] }),
        })),
      };
    },
  );

  app.delete(
    "/v1/capsules/:id/processes/:selector",
    {
      schema: {
        summary: "End a process and everything it started",
        tags: ["commands"],
        params: ProcessParams,
        querystring: Type.Object({
          signal: Type.Optional(Type.String({ description: "SIGTERM, or anything else for SIGKILL" })),
        }),
        response: { 204: Type.Null(), ...refusals },
      },
    },
    async (request, reply) => {
      await capsules.running(teamOf(request), request.params.id);
      const signal = AbortSignal.timeout(CALL_MS);
      const process = await hostAgent.processes(request.params.id).find(request.params.selector, signal);
      await process.kill(request.query.signal === "SIGTERM" ? SIGTERM : SIGKILL, "tree", signal);
      return await reply.status(204).send(null);
    },
  );
}
