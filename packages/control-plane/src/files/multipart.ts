import { Busboy } from "@fastify/busboy";
import type { IncomingMessage } from "node:http";
import { finished } from "node:stream";
import type { Readable } from "node:stream";
import { problemOf, WrennError } from "@wrenn/core";
import { prefersStrict } from "../http/strict-fields.ts";

const MAX_FIELD = 8192;
const MAX_PARTS = 20;
const TEXTS: ReadonlySet<string> = new Set(["path", "user"]);
const FILE = "file";
/** What the parser has in the place of bytes that are not UTF-8. */
const REPLACEMENT = "\uFFFD";

/** One file with its destination. */
export interface UploadForm {
  readonly path: string;
  readonly user: string | undefined;
  /**
   * Ends when the whole form has arrived and is right. Throws `multipart_invalid` when the client leaves or the body ends too early,
   * `invalid_field` for what must not follow the file.
   */
  readonly content: AsyncIterable<Uint8Array>;
}

/**
 * Reads `multipart/form-data` with the fields `path` (and optionally `user`) before `file`, and gives the file while it still
 * arrives.
 *
 * @throws WrennError `multipart_expected`, `multipart_invalid`, `form_field_missing`; `invalid_field` for a field or file that comes
 *   twice or too late, for a file that is not known, and for a field that is not known when the client prefers that it is refused.
 */
export async function readUpload(request: IncomingMessage): Promise<UploadForm> {
  const isStrict = prefersStrict(request.headers);
  const contentType = request.headers["content-type"] ?? "";
  if (!contentType.toLowerCase().startsWith("multipart/form-data"))
    throw new WrennError("multipart_expected", {});
  const parser = openParser(contentType);
  const fields = new Map<string, string>();
  const form = Promise.withResolvers<UploadForm>();
  const whole = Promise.withResolvers<void>();
  // Only a form that has a file is waited for.
  whole.promise.catch(() => undefined);
  let content: Readable | undefined;
  const fail = (error: unknown): void => {
    const known = invalid(error);
    form.reject(known);
    whole.reject(known);
    content?.destroy(known);
  };
  parser.on("field", (name: string | undefined, value: string, _cut: boolean, isTruncated: boolean) => {
    const problem = problemOfField(name, value, isTruncated, {
      isStrict,
      isKnown: fields.has(name ?? ""),
      content,
    });
    if (problem !== undefined) fail(refusal(name, problem));
    else if (name !== undefined) fields.set(name, value);
  });
  parser.on("file", (name: string | undefined, file: Readable) => {
    const path = fields.get("path") ?? "";
    file.on("error", () => undefined);
    if (name === FILE && !content && path !== "") {
      content = file;
      form.resolve({ path, user: fields.get("user"), content: contentOf(file, whole.promise) });
      return;
    }
    file.resume();
    if (name !== FILE)
      fail(refusal(name, TEXTS.has(name ?? "") ? "must be a text field" : "is not known here"));
    else if (content) fail(refusal(name, "was sent twice; a form has one file"));
    else fail(new WrennError("form_field_missing", { field: "path" }));
  });
  parser.on("error", fail);
  parser.once("partsLimit", () => fail(new Error("it has too many parts")));
  parser.once("finish", () => {
    if (content) whole.resolve();
    else fail(new WrennError("form_field_missing", { field: fields.has("path") ? FILE : "path" }));
  });
  finished(request, { writable: false }, (error) => {
    if (error) fail(new Error("the client left before the end of the body"));
  });
  request.pipe(parser);
  return await form.promise;
}

interface Sofar {
  readonly isStrict: boolean;
  /** The form has this field already. */
  readonly isKnown: boolean;
  /** The file, once it has begun. */
  readonly content: Readable | undefined;
}

/** Why a text field is refused; undefined when it is not. */
function problemOfField(
  name: string | undefined,
  value: string,
  isTruncated: boolean,
  { isStrict, isKnown, content }: Sofar,
): string | undefined {
  if (name === undefined || !TEXTS.has(name)) return isStrict ? "is not known here" : undefined;
  if (content) return "must come before the file";
  if (isKnown) return "was sent twice";
  if (isTruncated) return `is longer than ${MAX_FIELD} bytes`;
  if (value.includes(REPLACEMENT)) return "is not UTF-8; PUT /files/content takes such names";
  return undefined;
}

function refusal(name: string | undefined, problem: string): WrennError {
  return new WrennError("invalid_field", { field: (name ?? "(none)").slice(0, 100), problem });
}

async function* contentOf(file: Readable, whole: Promise<void>): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of file) yield chunk as Buffer;
    await whole;
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
      limits: { fieldSize: MAX_FIELD, parts: MAX_PARTS },
      // A file is one by its name, also without a file name.
      isPartAFile: (name, type, filename) =>
        name === FILE ||
        filename !== undefined ||
        (type === "application/octet-stream" && !TEXTS.has(name ?? "")),
    });
  } catch (error) {
    throw new WrennError("multipart_expected", {}, { cause: error });
  }
}
