import { Busboy } from "@fastify/busboy";
import type { IncomingMessage } from "node:http";
import { finished } from "node:stream";
import type { Readable } from "node:stream";
import { problemOf, WrennError } from "@wrenn/core";
import { prefersStrict } from "../http/strict-fields.ts";

const MAX_FIELD = 8192;
const KNOWN: ReadonlySet<string> = new Set(["path", "user", "file"]);

/** One file with its destination. */
export interface UploadForm {
  readonly path: string;
  readonly user: string | undefined;
  /** Throws `multipart_invalid` when the client leaves or the body ends too early. */
  readonly content: AsyncIterable<Uint8Array>;
}

/**
 * Reads `multipart/form-data` with the fields `path` (and optionally `user`) before `file`, and gives the file while it still
 * arrives.
 *
 * @throws WrennError `multipart_expected`, `multipart_invalid`, `form_field_missing`; `invalid_field` for a field that is not known,
 *   when the client prefers that it is refused.
 */
export async function readUpload(request: IncomingMessage): Promise<UploadForm> {
  const isStrict = prefersStrict(request.headers);
  const contentType = request.headers["content-type"] ?? "";
  if (!contentType.toLowerCase().startsWith("multipart/form-data"))
    throw new WrennError("multipart_expected", {});
  const parser = openParser(contentType);
  const fields = new Map<string, string>();
  const { promise, resolve, reject } = Promise.withResolvers<UploadForm>();
  let content: Readable | undefined;
  const refuseUnknown = (name: string): boolean => {
    if (!isStrict || KNOWN.has(name)) return false;
    fail(new WrennError("invalid_field", { field: name.slice(0, 100), problem: "is not known here" }));
    return true;
  };
  parser.on("field", (name: string, value: string) => {
    if (!refuseUnknown(name)) fields.set(name, value);
  });
  parser.on("file", (name: string, file: Readable) => {
    const path = fields.get("path") ?? "";
    if (refuseUnknown(name) || name !== "file" || path === "" || content) {
      file.resume();
      if (name === "file" && !content) reject(new WrennError("form_field_missing", { field: "path" }));
      return;
    }
    content = file;
    resolve({ path, user: fields.get("user"), content: contentOf(file) });
  });
  const fail = (error: Error): void => {
    reject(invalid(error));
    content?.destroy(error);
  };
  parser.once("error", (error: unknown) => fail(error instanceof Error ? error : new Error(String(error))));
  parser.once("finish", () => {
    reject(new WrennError("form_field_missing", { field: fields.has("path") ? "file" : "path" }));
  });
  finished(request, { writable: false }, (error) => {
    if (error) fail(new Error("the client left before the end of the body"));
  });
  request.pipe(parser);
  return await promise;
}

async function* contentOf(file: Readable): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of file) yield chunk as Buffer;
  } catch (error) {
    throw invalid(error);
  }
}

function invalid(error: unknown): WrennError {
  if (error instanceof WrennError) return error;
  return new WrennError("multipart_invalid", { problem: problemOf(error) }, { cause: error });
}

function openParser(contentType: string): InstanceType<typeof Busboy> {
  try {
    return new Busboy({
      headers: { "content-type": contentType },
      limits: { files: 1, fields: 10, fieldSize: MAX_FIELD, parts: 20 },
    });
  } catch (error) {
    throw new WrennError("multipart_expected", {}, { cause: error });
  }
}
