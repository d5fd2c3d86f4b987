import { defined } from "@wrenn/core";
import { Type } from "typebox";
import { abortWhenGone, download } from "./transfer.ts";
import { teamOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { CapsuleParams } from "../http/schemas.ts";
import type { CapsuleOpener } from "../capsules/running-capsules.ts";

const ReadBody = Type.Object({
  path: Type.String({ minLength: 1 }),
  user: Type.Optional(Type.String({ maxLength: 64 })),
});

export interface FileDownloadRoutesDeps {
  readonly capsules: CapsuleOpener;
}

/** Downloads by POST (docs/reference/rest-api.md#files). */
export function registerFileDownloadRoutes(
  app: App,
  { capsules }: FileDownloadRoutesDeps,
  base: string,
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
        const capsule = await capsules.open(teamOf(request), request.params.id);
        await capsule.touch();
        const content = await capsule.files.read(path, {
          ...defined({ user }),
          signal: abortWhenGone(reply),
        });
        const { size } = content;
        const bytes = await download(content, size);
        // The streaming form is chunked in the contract; the plain one has a length.
        if (kind === "read" && size !== undefined) void reply.header("content-length", size);
        return await reply.type("application/octet-stream").send(bytes);
      },
    );
  }
}
