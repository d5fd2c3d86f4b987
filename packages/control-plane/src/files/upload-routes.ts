import { defined, newId, parseId, WrennError } from "@wrenn/core";
import type { Clock, Random } from "@wrenn/core";
import type { UploadState } from "@wrenn/protocol";
import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { expectedSha256 } from "./content-digest.ts";
import { withCurrentTag } from "./conditional-write.ts";
import { writeConditions } from "./conditions.ts";
import { entityTag } from "./entity-tags.ts";
import { Entry, entryJson } from "./entry-json.ts";
import { requirePlainContent } from "./upload-headers.ts";
import { withoutStalls } from "../http/stalls.ts";
import { abortWhenGone, bodyOf } from "./transfer.ts";
import { teamOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { CapsuleParams, refusals } from "../http/schemas.ts";
import { timestamp } from "../http/timestamp.ts";
import { CAPSULES } from "../capsules/capsule-api.ts";
import type { CapsuleOpener, RunningCapsule } from "../capsules/running-capsules.ts";

const UPLOADS = `${CAPSULES}/:id/files/uploads`;
/** What bytes of an upload may be declared as. */
const CONTENT_TYPES = ["application/offset+octet-stream", "application/octet-stream"];
/** How long bytes of a client that has left may take to the capsule. */
const SETTLE_MS = 15_000;
/** How long a body may stand still before its upload is free for another one. */
const STALL_MS = 60_000;
const OFFSET = /^\d{1,15}$/;

const UploadParams = Type.Intersect([
  CapsuleParams,
  Type.Object({ upload: Type.String({ description: "Upload id, `up-` and 25 characters" }) }),
]);

const NewUploadBody = Type.Object({
  path: Type.String({ minLength: 1, maxLength: 16_384 }),
  size: Type.Integer({ minimum: 0, maximum: 10 ** 15 - 1, description: "Bytes of the whole file" }),
  mode: Type.Optional(
    Type.String({
      pattern: "^[0-7]{3,4}$",
      description: "Octal permissions; a file that exists keeps its own without them",
    }),
  ),
  user: Type.Optional(Type.String({ maxLength: 64 })),
});

const Upload = Type.Object(
  {
    id: Type.String(),
    path: Type.String(),
    size: Type.Integer(),
    offset: Type.Integer({ description: "Bytes that have arrived" }),
    expires_at: Type.String({ description: "A day after the last byte" }),
  },
  { description: "An upload that can be continued" },
);

export interface UploadRoutesDeps {
  readonly capsules: CapsuleOpener;
  readonly clock: Pick<Clock, "now">;
  readonly random: Random;
}

/** Uploads that can be continued (docs/reference/files.md#resumable-uploads), with the headers of tus 1.0. */
export function registerUploadRoutes(app: App, { capsules, clock, random }: UploadRoutesDeps): void {
  const schema = { tags: ["files"] };

  app.post(
    UPLOADS,
    {
      schema: {
        ...schema,
        summary: "Begin an upload that can be continued",
        description:
          "The target is judged now and replaced when the last byte has arrived. `If-Match`, `If-None-Match` and `If-Unmodified-Since` are about it, and judged now and then; `If-None-Match: *` refuses to replace a file. A capsule has at most 64 open uploads.",
        params: CapsuleParams,
        body: NewUploadBody,
        response: { 201: Upload, ...refusals },
      },
    },
    async (request, reply) => {
      const conditions = writeConditions(request.headers);
      const { path, size, mode, user } = request.body;
      const { id } = request.params;
      const capsule = await capsules.open(teamOf(request), id);
      const upload = newId("upload", random);
      const signal = abortWhenGone(reply);
      const { files } = capsule;
      const state = await withCurrentTag({ files, path, user, reply }, signal, async () =>
        files.uploads.create(
          { id: upload, path, size },
          {
            ...defined({ user }),
            ...(mode === undefined ? {} : { mode: Number.parseInt(mode, 8) }),
            ...conditions,
            signal,
          },
        ),
      );
      await capsule.touch();
      describe(reply, state, clock);
      void reply.status(201).header("location", `${CAPSULES}/${id}/files/uploads/${upload}`);
      return uploadJson(upload, state, clock);
    },
  );

  app.route({
    method: ["GET", "HEAD"],
    url: `${UPLOADS}/:upload`,
    schema: {
      ...schema,
      summary: "Where an upload stands",
      description: "`Upload-Offset` is the number of bytes that have arrived, `Upload-Length` the size.",
      params: UploadParams,
      response: { 200: Upload, ...refusals },
    },
    handler: async (request, reply) => {
      const { upload } = request.params;
      const capsule = await open(capsules, request, request.params);
      const state = await capsule.files.uploads.state(upload, { signal: abortWhenGone(reply) });
      await capsule.touch();
      describe(reply, state, clock);
      return uploadJson(upload, state, clock);
    },
  });

  app.delete(
    `${UPLOADS}/:upload`,
    {
      schema: {
        ...schema,
        summary: "Abandon an upload",
        params: UploadParams,
        response: { 204: Type.Null(), ...refusals },
      },
    },
    async (request, reply) => {
      const { upload } = request.params;
      const capsule = await open(capsules, request, request.params);
      await capsule.files.uploads.abandon(upload, { signal: abortWhenGone(reply) });
      await capsule.touch();
      return await reply.status(204).header("tus-resumable", "1.0.0").send(null);
    },
  );
}

/** The route whose body is bytes; `rawApp` must not parse bodies. */
export function registerUploadContentRoutes(
  rawApp: App,
  { capsules, clock }: Pick<UploadRoutesDeps, "capsules" | "clock">,
): void {
  rawApp.patch(
    `${UPLOADS}/:upload`,
    {
      schema: {
        summary: "Continue an upload",
        description:
          "Appends the body at `Upload-Offset`, which must be where the upload stands (409 names the true one). 204 while bytes are missing; with the last one the file appears, and the answer is its entry. A body that breaks off keeps what arrived. `Content-Digest` is of this body.",
        tags: ["files"],
        consumes: CONTENT_TYPES,
        params: UploadParams,
        headers: Type.Object({ "upload-offset": Type.String() }),
        response: { 200: Type.Object({ entry: Entry }), 204: Type.Null(), ...refusals },
      },
    },
    async (request, reply) => {
      try {
        const offset = readOffset(request);
        requireBytes(request);
        requirePlainContent(request);
        const { upload } = request.params;
        const capsule = await open(capsules, request, request.params);
        const appended = await capsule.files.uploads.append(
          upload,
          offset,
          withoutStalls(bodyOf(request), STALL_MS),
          {
            ...defined({ sha256: expectedSha256(request.headers) }),
            // The body ends with its client; what arrived of it still goes to the capsule.
            signal: abortWhenGone(reply, SETTLE_MS),
          },
        );
        await capsule.touch();
        describe(reply, appended, clock);
        const { entry } = appended;
        if (!entry) return await reply.status(204).send(null);
        void reply.header("etag", entityTag(entry));
        return { entry: entryJson(entry) };
      } catch (error) {
        if (WrennError.is(error, "upload_offset_differs"))
          void reply.header("upload-offset", error.context["offset"] ?? 0);
        throw error;
      }
    },
  );
}

async function open(
  capsules: CapsuleOpener,
  request: Parameters<typeof teamOf>[0],
  { id, upload }: { readonly id: string; readonly upload: string },
): Promise<RunningCapsule> {
  parseId("upload", upload);
  return await capsules.open(teamOf(request), id);
}

/** @throws WrennError `invalid_field`. */
function readOffset({ headers }: FastifyRequest): number {
  const text = headers["upload-offset"];
  if (typeof text === "string" && OFFSET.test(text)) return Number(text);
  throw new WrennError("invalid_field", { field: "Upload-Offset", problem: "must be a number of bytes" });
}

/** @throws WrennError `unsupported_media_type`. A body without a type is taken for bytes. */
function requireBytes({ headers }: FastifyRequest): void {
  const type = (headers["content-type"] ?? "application/octet-stream").split(";")[0]?.trim().toLowerCase();
  if (!CONTENT_TYPES.includes(type ?? ""))
    throw new WrennError("unsupported_media_type", { type: type ?? "", accepted: CONTENT_TYPES.join(", ") });
}

function describe(
  reply: FastifyReply,
  state: Pick<UploadState, "offset" | "expiresInMs"> & Partial<UploadState>,
  clock: Pick<Clock, "now">,
): void {
  void reply.headers({
    "tus-resumable": "1.0.0",
    "cache-control": "no-store",
    "upload-offset": state.offset,
    "upload-expires": new Date(clock.now() + state.expiresInMs).toUTCString(),
    ...defined({ "upload-length": state.size }),
  });
}

function uploadJson(id: string, { path, size, offset, expiresInMs }: UploadState, clock: Pick<Clock, "now">) {
  return { id, path, size, offset, expires_at: timestamp(new Date(clock.now() + expiresInMs)) };
}
