import { WrennError } from "@wrenn/core";
import { Type } from "typebox";
import { teamOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { pageThrough, PageQuery } from "../http/paging.ts";
import { CapsuleParams, refusals } from "../http/schemas.ts";
import type { CapsuleRows } from "../capsules/capsule-rows.ts";
import type { PortAddresses, PortsService } from "./ports.ts";
import type { Clock } from "@wrenn/core";

const DEFAULT_LINK_SEC = 3600;
const MAX_LINK_SEC = 30 * 86_400;

const PortParams = Type.Object({
  id: Type.String(),
  port: Type.Integer({ minimum: 1, maximum: 65_535 }),
});
const access = Type.Union([Type.Literal("public"), Type.Literal("private")]);
const Port = Type.Object({ port: Type.Integer(), access, url: Type.String() });

export interface PortRoutesDeps {
  readonly capsuleRows: CapsuleRows;
  readonly ports: PortsService;
  readonly edge: PortAddresses;
  readonly clock: Clock;
}

/** Ports of capsules on the web; our addition to the contract. */
export function registerPorts(app: App, { capsuleRows, ports, edge, clock }: PortRoutesDeps): void {
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

  app.post(
    "/v1/capsules/:id/ports/:port/link",
    {
      schema: {
        summary: "Make a link to a port that works for whoever has it",
        tags: ["ports"],
        params: PortParams,
        body: Type.Object({
          expires_in_sec: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_LINK_SEC })),
        }),
        response: { 201: Type.Object({ url: Type.String(), expires_at: Type.String() }), ...refusals },
      },
    },
    async (request, reply) => {
      const { id, port } = request.params;
      const row = await capsuleRows.get(teamOf(request), id);
      if (row.status === "stopped" || row.status === "error")
        throw new WrennError("capsule_not_running", { status: row.status });
      const expiresAt = clock.now() + (request.body.expires_in_sec ?? DEFAULT_LINK_SEC) * 1000;
      return await reply.status(201).send({
        url: edge.portLink(id, port, expiresAt),
        expires_at: new Date(expiresAt).toISOString(),
      });
    },
  );
}
