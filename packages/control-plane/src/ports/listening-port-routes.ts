import { defined } from "@wrenn/core";
import { Type } from "typebox";
import { teamOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { CapsuleParams, refusals } from "../http/schemas.ts";
import type { ListeningPortsService } from "./listening-ports.ts";
import type { PortAddresses } from "./ports.ts";

const ListeningPort = Type.Object({
  protocol: Type.Enum(["tcp", "udp"]),
  port: Type.Integer(),
  address: Type.String({ description: "What it is bound to; `0.0.0.0` and `::` are every address" }),
  process: Type.Optional(Type.String({ description: "Name of the process, as the guest says" })),
  pid: Type.Optional(Type.Integer()),
  uid: Type.Integer({ description: "User that the socket belongs to" }),
  reachable: Type.Boolean({ description: "Whether `url` leads to it" }),
  access: Type.Enum(["public", "private"]),
  url: Type.Optional(Type.String({ description: "Absent for ports that cannot be reached from outside" })),
});

export interface ListeningPortRoutesDeps {
  readonly listening: ListeningPortsService;
  readonly edge: Pick<PortAddresses, "portUrl">;
}

/** Ports that processes in a capsule listen on; our addition to the contract. */
export function registerListeningPorts(app: App, { listening, edge }: ListeningPortRoutesDeps): void {
  app.get(
    "/v1/capsules/:id/ports/listening",
    {
      schema: {
        summary: "List ports that processes listen on",
        description:
          "Sockets of a running capsule as they are now, by protocol, port and address; also those without any setting. Of a paused capsule as they were last. At most 256; `unlisted` counts the others. UDP ports from 32768 to 60999 are those of clients and left out. Events `port.opened` and `port.closed` report changes. Listing is not use of the capsule: it does not postpone its idle pause.",
        tags: ["ports"],
        params: CapsuleParams,
        response: {
          200: Type.Object({
            ports: Type.Array(ListeningPort),
            unlisted: Type.Integer(),
            seen_at: Type.Union([Type.String(), Type.Null()], {
              description: "When the host looked; null when it has not",
            }),
          }),
          ...refusals,
        },
      },
    },
    async (request) => {
      const { id } = request.params;
      const { ports, unlisted, seenAt } = await listening.list(teamOf(request), id);
      return {
        ports: ports.map(({ isReachable, process, pid, ...one }) => ({
          ...one,
          ...defined({ process, pid, url: isReachable ? edge.portUrl(id, one.port) : undefined }),
          reachable: isReachable,
        })),
        unlisted,
        seen_at: seenAt?.toISOString() ?? null,
      };
    },
  );
}
