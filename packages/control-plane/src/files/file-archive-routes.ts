import { Readable } from "node:stream";
import { Type } from "typebox";
import { abortWhenGone } from "./transfer.ts";
import { teamOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { CapsuleParams } from "../http/schemas.ts";
import type { CapsulesService } from "../capsules/capsule-rows.ts";
import type { Fleet } from "../hosts/fleet.ts";

export interface FileArchiveRoutesDeps {
  readonly capsules: CapsulesService;
  readonly fleet: Fleet;
}

/** Whole directories; our addition to the contract. */
export function registerFileArchiveRoutes(app: App, { capsules, fleet }: FileArchiveRoutesDeps): void {
  app.get(
    "/v1/capsules/:id/files/archive",
    {
      schema: {
        summary: "Download a directory as tar.gz",
        description:
          "Made while it is sent. When a file in it cannot be read the connection breaks at the end, so that no client takes it for complete.",
        tags: ["files"],
        params: CapsuleParams,
        querystring: Type.Object({
          path: Type.String({ minLength: 1, maxLength: 16_384 }),
          user: Type.Optional(Type.String({ maxLength: 64 })),
        }),
      },
    },
    async (request, reply) => {
      const { path, user } = request.query;
      const row = await capsules.running(teamOf(request), request.params.id);
      await capsules.touch(row.id);
      const archive = await fleet
        .of(row)
        .files(request.params.id)
        .archive(path, { ...(user === undefined ? {} : { user }), signal: abortWhenGone(reply) });
      return await reply.type("application/gzip").send(Readable.from(archive, { objectMode: false }));
    },
  );
}
