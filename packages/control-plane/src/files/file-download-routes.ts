import { Type } from "typebox";
import { abortWhenGone, download } from "./transfer.ts";
import { teamOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { CAPSULES, CapsuleParams } from "../http/schemas.ts";
import type { CapsulesService } from "../capsules/capsule-rows.ts";
import type { Fleet } from "../hosts/fleet.ts";

const ReadBody = Type.Object({
  path: Type.String({ minLength: 1 }),
  user: Type.Optional(Type.String({ maxLength: 64 })),
});

export interface FileDownloadRoutesDeps {
  readonly capsules: CapsulesService;
  readonly fleet: Fleet;
}

/** Downloads by POST, as contract 10 §8 has them. */
export function registerFileDownloadRoutes(
  app: App,
  { capsules, fleet }: FileDownloadRoutesDeps,
  base = CAPSULES,
): void {
  for (const kind of ["read", "stream/read"] as const) {
    app.post(
      `${base}/:id/files/${kind}`,
      {
        schema: {
          tags: ["files"],
          params: CapsuleParams,
          summary: "Download a file",
          description: "A download that fails midway breaks the connection.",
          body: ReadBody,
        },
      },
      async (request, reply) => {
        const { path, user } = request.body;
        const row = await capsules.running(teamOf(request), request.params.id);
        await capsules.touch(row.id);
        const content = await fleet
          .of(row)
          .files(request.params.id)
          .read(path, { ...(user === undefined ? {} : { user }), signal: abortWhenGone(reply) });
        const { size } = content.entry;
        // The streaming form is chunked in the contract; the plain one has a length.
        if (kind === "read" && size > 0) void reply.header("content-length", size);
        return await reply.type("application/octet-stream").send(download(content, size));
      },
    );
  }
}
