import { Type } from "typebox";
import { defined, WrennError } from "@wrenn/core";
import { readRange } from "./byte-range.ts";
import { verified } from "./content-digest.ts";
import { Entry, entityTag, entryJson } from "./entry-json.ts";
import { abortWhenGone, download } from "./transfer.ts";
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
      Type.String({ pattern: "^[0-7]{3,4}$", description: "Octal permissions of a new file" }),
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
        "Streams a file of any size. `Range` and `If-Range` give a part (206, 416), `If-None-Match` 304. A download that fails midway breaks the connection.",
      tags: ["files"],
      params: CapsuleParams,
      querystring: ContentQuery,
    },
    handler: async (request, reply) => {
      const { path, user } = request.query;
      const capsule = await capsules.open(teamOf(request), request.params.id);
      const left = abortWhenGone(reply);
      const { files } = capsule;
      const options = { ...defined({ user }), signal: left };
      const entry = await files.stat(path, { ...options, follow: true });
      if (entry.type === "directory") throw new WrennError("is_a_directory", { path });
      if (entry.type !== "file") throw new WrennError("not_a_file", { path });
      const tag = entityTag(entry);
      void reply.headers({
        etag: tag,
        "accept-ranges": "bytes",
        "last-modified": new Date(Number(entry.modifiedNs / 1_000_000n)).toUTCString(),
      });
      if (
        request.headers["if-none-match"]?.split(",").some((one) => one.trim() === tag || one.trim() === "*")
      )
        return await reply.status(304).send();
      const condition = request.headers["if-range"];
      const wanted =
        condition === undefined || condition === tag
          ? readRange(request.headers.range, entry.size)
          : undefined;
      if (wanted === "unsatisfiable") {
        void reply.header("content-range", `bytes */${entry.size}`);
        throw new WrennError("range_not_satisfiable", { size: entry.size });
      }
      void reply.type("application/octet-stream");
      if (wanted) {
        void reply
          .status(206)
          .header("content-range", `bytes ${wanted.start}-${wanted.end}/${entry.size}`)
          .header("content-length", wanted.end - wanted.start + 1);
      } else if (entry.size > 0) void reply.header("content-length", entry.size);
      await capsule.touch();
      if (request.method === "HEAD") return await reply.send();
      const content = await files.read(path, { ...options, ...defined({ range: wanted }) });
      // Files of /proc say that they are empty and are not: only their end tells their length.
      return await reply.send(download(content, wanted ? wanted.end - wanted.start + 1 : entry.size));
    },
  });

  app.put(
    "/v1/capsules/:id/files/content",
    {
      schema: {
        summary: "Upload a file",
        description:
          "The body is the file, of any size. It appears at once and whole or not at all; parents are made. `Content-Digest: sha-256=:…:` is verified; `If-None-Match: *` refuses to replace a file.",
        tags: ["files"],
        consumes: ["application/octet-stream"],
        params: CapsuleParams,
        querystring: UploadQuery,
        response: { 200: Type.Object({ entry: Entry }), ...refusals },
      },
    },
    async (request, reply) => {
      const { path, user, mode } = request.query;
      const capsule = await capsules.open(teamOf(request), request.params.id);
      const entry = await capsule.files.write(path, verified(request.raw, request.headers), {
        ...defined({ user }),
        ...(mode === undefined ? {} : { mode: Number.parseInt(mode, 8) }),
        exclusive: request.headers["if-none-match"] === "*",
        signal: abortWhenGone(reply),
      });
      await capsule.touch();
      void reply.header("etag", entityTag(entry));
      return { entry: entryJson(entry) };
    },
  );
}
