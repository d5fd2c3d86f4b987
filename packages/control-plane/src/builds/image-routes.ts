import type { Readable } from "node:stream";
import { WrennError } from "@wrenn/core";
import { defaultImageLimits } from "@wrenn/oci";
import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import type { Static } from "typebox";
import type { RecordAudit } from "../audit/audit.ts";
import { identityOf, teamOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { PendingWork } from "../http/pending-work.ts";
import { refusals } from "../http/schemas.ts";
import type { BaseImages, ReceivedImage } from "./base-images.ts";
import { BuildBody, DEFAULT_MEMORY_MIB, DEFAULT_VCPUS } from "./build-body.ts";
import { readBuildForm } from "./build-form.ts";
import { begunBuild } from "./begun-build.ts";
import { uploadLimits } from "./build-routes.ts";
import { Build } from "./build-json.ts";
import type { BuildRequest, BuildsService } from "./builds.ts";

const BASE = "/v1/builds";
/** Bytes of an archive. */
const MAX_ARCHIVE = defaultImageLimits.downloadBytes;
/** For an archive to arrive. */
const UPLOAD_MS = 4 * 60 * 60_000;
/** Characters of the name of a file that are shown. */
const MAX_NAME = 200;

const { name, healthcheck, vcpus, memory_mb } = BuildBody.properties;
const ImageBody = Type.Object(
  {
    name,
    image: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 1024,
        pattern: String.raw`^[^\p{Cc}\p{Cs}]+$`,
        description: "Name of the image in the archive; default: its only one",
      }),
    ),
    healthcheck,
    vcpus,
    memory_mb,
  },
  { examples: [{ name: "tools:v2" }] },
);

/** An archive of images that came with a form. */
interface ImageUpload {
  readonly received: ReceivedImage;
  readonly fileName: string;
}

declare module "fastify" {
  interface FastifyRequest {
    /** The archive of images that came with a form, until a build has it. */
    imageUpload?: ImageUpload | undefined;
  }
}

export interface ImageRouteDeps {
  readonly builds: BuildsService;
  readonly images: Pick<BaseImages, "receive" | "drop">;
  readonly record: RecordAudit;
}

/** Builds of templates from archives of images. */
export async function registerImageBuilds(app: App, deps: ImageRouteDeps): Promise<void> {
  const uploads = new PendingWork(uploadLimits);
  // Forms of other routes are read in another way.
  await app.register(async (group) => registerImport(group, deps, uploads));
}

function registerImport(app: App, { builds, images, record }: ImageRouteDeps, uploads: PendingWork): void {
  app.addContentTypeParser("multipart/form-data", async (request: FastifyRequest, body: Readable) => {
    const { teamId } = identityOf(request);
    using _upload = uploads.begin(teamId);
    const form = await readBuildForm<ImageUpload>(
      body,
      request.headers,
      {
        name: "image",
        limit: MAX_ARCHIVE,
        tooLarge,
        store: async (content, mostBytes, fileName) => ({
          received: await receive(images, teamId, content, mostBytes),
          fileName,
        }),
        discard: async ({ received }) => await images.drop(received),
      },
      true,
    );
    request.imageUpload = form.file;
    return form.config;
  });
  // One that is part of a build by now is not deleted.
  app.addHook("onResponse", async ({ imageUpload }) => {
    if (imageUpload) await images.drop(imageUpload.received);
  });
  app.post(
    `${BASE}/import`,
    {
      schema: {
        summary: "Make a template of the image in an archive",
        description:
          "`multipart/form-data` with this JSON as the field `config` and the archive as the file `image`: what `docker save` writes, or an OCI layout as tar, also compressed with gzip or zstd, of at most 20 GiB. A host of the team stores the archive while it arrives. Answers as soon as it is there and its build is in the queue: what is wrong with the image is the error of the build. 413 for a longer archive.",
        tags: ["builds"],
        body: ImageBody,
        consumes: ["multipart/form-data"],
        response: { 201: Build, ...refusals },
      },
    },
    async (request, reply) => {
      const { body, imageUpload } = request;
      if (!imageUpload) throw new WrennError("form_field_missing", { field: "image" });
      const row = await builds.start(teamOf(request), requestOf(body, imageUpload), undefined);
      request.imageUpload = undefined;
      return await reply.status(201).send(await begunBuild(request, row, { record, base: BASE }));
    },
  );
}

async function receive(
  images: Pick<BaseImages, "receive">,
  teamId: string,
  content: AsyncIterable<Uint8Array>,
  mostBytes: number,
): Promise<ReceivedImage> {
  const slow = new AbortController();
  const timer = setTimeout(
    () => slow.abort(new WrennError("archive_too_slow", { minutes: UPLOAD_MS / 60_000 })),
    UPLOAD_MS,
  ).unref();
  try {
    return await images.receive(teamId, bounded(content, mostBytes), slow.signal);
  } finally {
    clearTimeout(timer);
  }
}

async function* bounded(content: AsyncIterable<Uint8Array>, mostBytes: number): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const piece of content) {
    size += piece.length;
    if (size > mostBytes) throw tooLarge();
    yield piece;
  }
}

function tooLarge(): WrennError {
  return new WrennError("image_too_large", { limit: MAX_ARCHIVE, what: "bytes in its archive" });
}

function requestOf(body: Static<typeof ImageBody>, { received, fileName }: ImageUpload): BuildRequest {
  const file =
    fileName
      .toWellFormed()
      .replaceAll(/\p{Cc}/gu, "")
      .slice(0, MAX_NAME) || "the archive";
  const { image } = body;
  return {
    name: body.name,
    baseTemplate: image === undefined ? file : `${image} in ${file}`,
    recipe: { form: "lines", lines: [], skipPrePost: true },
    sources: undefined,
    secrets: {},
    login: undefined,
    imageArchive: { ...received, ...(image !== undefined && { image }) },
    repeatFrom: undefined,
    healthcheck: body.healthcheck ?? "",
    vcpus: body.vcpus ?? DEFAULT_VCPUS,
    memoryMib: body.memory_mb ?? DEFAULT_MEMORY_MIB,
  };
}
