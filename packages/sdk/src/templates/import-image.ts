import type { HttpClient } from "../transport/http.ts";
import { invalidOption, present, requireKnownOptions } from "../transport/options.ts";
import type { WireBody } from "../wire/api-types.ts";
import type { Build } from "./build.ts";
import { sendBuildForm } from "./build-form.ts";
import type { FileContent } from "./build-form.ts";
import { importOptionNames, templateImportOptionNames } from "./import-options.ts";
import type { ImageImportOptions, TemplateImportOptions } from "./import-options.ts";
import { followBuild } from "./run-build.ts";

/** An archive of 20 GiB travels for hours; the server gives up before. */
const UPLOAD_MS = 5 * 60 * 60_000;

/** `builds.importImage`. */
export async function beginImport(http: HttpClient, options: ImageImportOptions): Promise<Build> {
  const call = "builds.importImage";
  requireKnownOptions(call, options, importOptionNames);
  return await startImport(http, call, options);
}

/** Makes a template of an image and waits for the end: `templates.importImage`. */
export async function runImport(http: HttpClient, options: TemplateImportOptions): Promise<Build> {
  const call = "templates.importImage";
  requireKnownOptions(call, options, templateImportOptionNames);
  return await followBuild(http, async () => await startImport(http, call, options), options);
}

async function startImport(http: HttpClient, call: string, options: ImageImportOptions): Promise<Build> {
  const { archive, name, image, healthcheck, vcpus, signal } = options;
  const isBlob = archive instanceof Blob;
  if (!isBlob && typeof archive !== "function")
    throw invalidOption(call, "archive", "must be a Blob or a function that gives its bytes");
  const json: WireBody<"POST /v1/builds/import"> = {
    name,
    ...present({ image, healthcheck, vcpus, memory_mb: options.memoryMib }),
  };
  const { archiveName: fileName = nameOf(archive) } = options;
  const file = { field: "image", fileName, content: contentOf(options), timeoutMs: UPLOAD_MS };
  return await sendBuildForm(http, "/v1/builds/import", json, file, signal);
}

function nameOf(archive: ImageImportOptions["archive"]): string {
  const name: unknown = archive instanceof Blob && "name" in archive ? archive.name : undefined;
  return typeof name === "string" && name !== "" ? name : "archive.tar";
}

function contentOf({ archive, onSent }: ImageImportOptions): FileContent {
  if (archive instanceof Blob && onSent === undefined) return archive;
  const open = archive instanceof Blob ? () => bytesOf(archive) : archive;
  return {
    open: onSent === undefined ? open : () => counted(open(), onSent),
    size: archive instanceof Blob ? archive.size : undefined,
  };
}

/** Not every runtime can iterate over a stream. */
async function* bytesOf(blob: Blob): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = blob.stream().getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

async function* counted(
  pieces: AsyncIterable<Uint8Array>,
  onSent: (bytes: number) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  let sent = 0;
  for await (const piece of pieces) {
    yield piece;
    sent += piece.length;
    onSent(sent);
  }
}
