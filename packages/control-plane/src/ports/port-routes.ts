import { Type } from "typebox";
import { teamOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { pageThrough, PageQuery } from "../http/paging.ts";
import { CapsuleParams, refusals } from "../http/schemas.ts";
import type { PortAddresses, PortsService } from "./ports.ts";

export const PortParams = Type.Object({
  id: Type.String(),
  port: Type.Integer({ minimum: 1, maximum: 65_535 }),
});
const access = Type.Union([Type.Literal("public"), Type.Literal("private")]);
const Port = Type.Object({ port: Type.Integer(), access, url: Type.String() });

export interface PortRoutesDeps {
  readonly ports: PortsService;
  readonly edge: PortAddresses;
}

/** Ports of capsules on the web; our addition to the contract. */
export function registerPorts(app: App, { ports, edge }: PortRoutesDeps): void {
  app.get(
    "/v1/capsules/:id/ports",
    {
      schema: {
        summary: "List ports whose access was set",
        tags: ["ports"],
        params: CapsuleParams,
        querystring: PageQuery,
        response: { 200: Type.Array(Port), ...refusals },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const known = pageThrough(reply, request, await ports.list(teamOf(request), id), {
        list: "ports",
        keyOf: ({ port }) => String(port).padStart(5, "0"),
        newestFirst: false,
      });
      return known.map((one) => ({ ...one, url: edge.portUrl(id, one.port) }));
    },
  );

  app.put(
    "/v1/capsules/:id/ports/:port",
    {
      schema: {
        summary: "Say who may use a port",
        description:
          "Ports are private unless they are made public: only your team's API key, your session, or a signed link opens them.",
        tags: ["ports"],
        params: PortParams,
        body: Type.Object({ access }),
        response: { 200: Port, ...refusals },
      },
    },
    async (request) => {
      const { id, port } = request.params;
      await ports.set(teamOf(request), id, port, request.body.access);
      return { port, access: request.body.access, url: edge.portUrl(id, port) };
    },
  );
}
