import { defined } from "@wrenn/core";
import { Type } from "typebox";
import type { FastifyReply, FastifyRequest } from "fastify";
import { withCurrentTag } from "./conditional-write.ts";
import { writeConditions } from "./conditions.ts";
import { limited } from "./limited.ts";
import { readUpload } from "./multipart.ts";
import { requirePlainContent } from "./upload-headers.ts";
import { teamOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { abortWhenGone } from "./transfer.ts";
import { CapsuleParams, refusals } from "../http/schemas.ts";
import type { CapsuleOpener } from "../capsules/running-capsules.ts";

/** See docs/reference/values.md#limits-and-times. */
const WHOLE_LIMIT = 100_000_000;

export interface FileUploadRoutesDeps {
  readonly capsules: CapsuleOpener;
}

/** Uploads as forms (docs/reference/rest-api.md#files). Their bodies are not parsed before they come here. */
export function registerFileUploadRoutes(app: App, { capsules }: FileUploadRoutesDeps, base: string): void {
  const upload = async (
    request: FastifyRequest,
    id: string,
    reply: FastifyReply,
    limit: number,
  ): Promise<void> => {
    try {
      requirePlainContent(request);
      const conditions = writeConditions(request.headers);
      const capsule = await capsules.open(teamOf(request), id);
      const { path, user, content } = await readUpload(request.raw);
      const signal = abortWhenGone(reply);
      const { files } = capsule;
      await withCurrentTag({ files, path, user, reply }, signal, async () =>
        files.write(path, limited(content, limit), { ...defined({ user }), ...conditions, signal }),
      );
      await capsule.touch();
    } catch (error) {
      // Many clients read the answer only after they have sent everything.
      request.raw.unpipe();
      request.raw.resume();
      throw error;
    }
  };
  const schema = { tags: ["files"], params: CapsuleParams };
  const form = {
    ...schema,
    consumes: ["multipart/form-data"],
    description:
      "A form with the text field `path`, optionally `user`, and then one file field `file`. A field or file that comes twice, too late or under an unknown name (files) is 400, and nothing is put in place.",
    response: { 204: Type.Null(), ...refusals },
  };

  app.post(
    `${base}/:id/files/write`,
    { schema: { ...form, summary: "Upload a file of up to 100 MB" } },
    async (request, reply) => {
      await upload(request, request.params.id, reply, WHOLE_LIMIT);
      return await reply.status(204).send(null);
    },
  );

  app.post(
    `${base}/:id/files/stream/write`,
    { schema: { ...form, summary: "Upload a file of any size" } },
    async (request, reply) => {
      await upload(request, request.params.id, reply, Infinity);
      return await reply.status(204).send(null);
    },
  );
}
