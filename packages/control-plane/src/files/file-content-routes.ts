import { Type } from "typebox";
import { defined } from "@wrenn/core";
import { verified } from "./content-digest.ts";
import { withCurrentTag } from "./conditional-write.ts";
import { writeConditions } from "./conditions.ts";
import { entityTag } from "./entity-tags.ts";
import { Entry, entryJson } from "./entry-json.ts";
import { pathOf } from "./query-path.ts";
import { requirePlainContent } from "./upload-headers.ts";
import { sendContent } from "./send-content.ts";
import { abortWhenGone, bodyOf } from "./transfer.ts";
import { teamOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { CapsuleParams, refusals } from "../http/schemas.ts";
import type { CapsuleOpener } from "../capsules/running-capsules.ts";

const ContentQuery = Type.Object({
  path: Type.String({ minLength: 1, maxLength: 16_384 }),
  user: Type.Optional(Type.String({ maxLength: 64 })),
});

const UploadQuery = Type.Intersect([
  ContentQuery,
  Type.Object({
    mode: Type.Optional(
      Type.String({
        pattern: "^[0-7]{3,4}$",
        description: "Octal permissions; a file that exists keeps its own without them",
      }),
    ),
  }),
]);

export interface FileContentRoutesDeps {
  readonly capsules: CapsuleOpener;
}

/** A file's bytes under an address of their own, with ranges, entity tags and digests; our addition to the contract. */
export function registerFileContentRoutes(app: App, { capsules }: FileContentRoutesDeps): void {
  app.route({
    method: ["GET", "HEAD"],
    url: "/v1/capsules/:id/files/content",
    schema: {
      summary: "Download a file",
      description:
        "Streams a file of any size, whole as it was when it was opened, also when it is replaced meanwhile. `Range` and `If-Range` give a part (206, 416), `If-None-Match` and `If-Modified-Since` 304, `If-Match` and `If-Unmodified-Since` 412. A download that fails midway breaks the connection.",
      tags: ["files"],
      params: CapsuleParams,
      querystring: ContentQuery,
    },
    handler: async (request, reply) => {
      const { user } = request.query;
      const path = pathOf(request);
      const capsule = await capsules.open(teamOf(request), request.params.id);
      await capsule.touch();
      return await sendContent(capsule.files, path, defined({ user }), request, reply);
    },
  });

  app.put(
    "/v1/capsules/:id/files/content",
    {
      schema: {
        summary: "Upload a file",
        description:
          "The body is the file, of any size. It appears at once and whole or not at all; parents are made. A file with hard links, a mount point, and one whose owner or directory allows no new file are written in place when all is there. `Content-Digest: sha-256=:…:` is verified; `If-Match`, `If-None-Match` and `If-Unmodified-Since` are judged when it appears: 412 with the current `ETag`; `If-None-Match: *` refuses to replace a file (409).",
        tags: ["files"],
        consumes: ["application/octet-stream"],
        params: CapsuleParams,
        querystring: UploadQuery,
        response: { 200: Type.Object({ entry: Entry }), ...refusals },
      },
    },
    async (request, reply) => {
      requirePlainContent(request);
      const conditions = writeConditions(request.headers);
      const { user, mode } = request.query;
      const path = pathOf(request);
      const capsule = await capsules.open(teamOf(request), request.params.id);
      const signal = abortWhenGone(reply);
      const { files } = capsule;
      const entry = await withCurrentTag({ files, path, user, reply }, signal, async () =>
        files.write(path, verified(bodyOf(request), request.headers), {
          ...defined({ user }),
          ...(mode === undefined ? {} : { mode: Number.parseInt(mode, 8) }),
          ...conditions,
          signal,
        }),
      );
      await capsule.touch();
      void reply.header("etag", entityTag(entry));
      return { entry: entryJson(entry) };
    },
  );
}
