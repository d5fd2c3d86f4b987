import { defined } from "@wrenn/core";
import { Readable } from "node:stream";
import { Type } from "typebox";
import { pathOf } from "./query-path.ts";
import { abortWhenGone } from "./transfer.ts";
import { teamOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { CapsuleParams } from "../http/schemas.ts";
import type { CapsuleOpener } from "../capsules/running-capsules.ts";

export interface FileArchiveRoutesDeps {
  readonly capsules: CapsuleOpener;
}

/** Whole directories; our addition to the contract. */
export function registerFileArchiveRoutes(app: App, { capsules }: FileArchiveRoutesDeps): void {
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
      const { user } = request.query;
      const path = pathOf(request);
      const capsule = await capsules.open(teamOf(request), request.params.id);
      await capsule.touch();
      const archive = await capsule.files.archive(path, {
        ...defined({ user }),
        signal: abortWhenGone(reply),
      });
      return await reply.type("application/gzip").send(Readable.from(archive, { objectMode: false }));
    },
  );
}
