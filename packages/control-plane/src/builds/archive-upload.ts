import { Busboy } from "@fastify/busboy";
import { finished } from "node:stream";
import type { Readable } from "node:stream";
import type { IncomingHttpHeaders } from "node:http";
import { problemOf, WrennError } from "@wrenn/core";
import { withoutStalls } from "../http/stalls.ts";
import type { UploadedArchive } from "./build-archives.ts";

/** Bytes of the JSON text. */
const MAX_CONFIG = 1 << 20;
/** What a body has in addition to the archive. */
const MAX_OVERHEAD = MAX_CONFIG + 65_536;
/** An upload of which nothing arrives for this long is given up. */
const STALL_MS = 30_000;

/** Stores content while it arrives. */
export type StoreArchive = (
  content: AsyncIterable<Uint8Array>,
  mostBytes: number,
) => Promise<UploadedArchive>;

export interface BuildForm {
  /** The JSON of `config`. */
  readonly config: unknown;
  readonly archive: UploadedArchive | undefined;
}

/**
 * Reads `multipart/form-data` with the JSON field `config` and the file `archive`, in any order. The file is stored while it arrives.
 *
 * @param discard - deletes an archive that arrived before the form turned out to be wrong.
 * @throws WrennError `archive_too_large`, `multipart_invalid`, `form_field_missing`, `invalid_json`, `invalid_field` for another field
 *   where `isStrict`, and what `store` throws.
 */
export async function readBuildForm(
  body: Readable,
  headers: IncomingHttpHeaders,
  { isStrict, limit, store, discard }: FormOptions,
): Promise<BuildForm> {
  const length = headers["content-length"];
  const mostBytes = length === undefined ? limit : Number(length);
  if (mostBytes > limit + MAX_OVERHEAD) throw new WrennError("archive_too_large", { limit });
  const parser = openParser(headers["content-type"] ?? "");
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  let config: string | undefined;
  let storing: Promise<UploadedArchive> | undefined;
  let content: Readable | undefined;
  const fail = (error: Error): void => {
    reject(error);
    content?.destroy(error);
  };
  const refuseUnknown = (name: string): void => {
    if (isStrict)
      fail(new WrennError("invalid_field", { field: name.slice(0, 100), problem: "is not known here" }));
  };
  parser.on("field", (name: string, value: string, isNameCut: boolean, isCut: boolean) => {
    if (name !== "config") refuseUnknown(name);
    else if (isCut || isNameCut) fail(new WrennError("body_too_large", { limit: MAX_CONFIG }));
    else config = value;
  });
  parser.on("file", (name: string, file: Readable) => {
    // A part that breaks off is reported by the parser.
    file.on("error", () => {});
    if (name !== "archive" || storing) {
      file.resume();
      if (name !== "archive") refuseUnknown(name);
      return;
    }
    content = file;
    storing = store(withoutStalls(contentOf(file), STALL_MS), Math.min(mostBytes, limit));
    storing.catch((error: unknown) => fail(error instanceof Error ? error : new Error(String(error))));
  });
  parser.once("error", (error: unknown) =>
    fail(new WrennError("multipart_invalid", { problem: problemOf(error) })),
  );
  parser.once("finish", resolve);
  finished(body, { writable: false }, (error) => {
    if (error) fail(new WrennError("multipart_invalid", { problem: "the client left before its end" }));
  });
  body.pipe(parser);
  try {
    await ended;
    const archive = await storing;
    if (config === undefined) throw new WrennError("form_field_missing", { field: "config" });
    return { config: parseJson(config), archive };
  } catch (error) {
    body.unpipe(parser);
    // An archive that is broken off deletes itself.
    const stored = await storing?.catch(() => undefined);
    if (stored) await discard(stored);
    throw error;
  }
}

export interface FormOptions {
  /** Whether fields that are not known are refused. */
  readonly isStrict: boolean;
  /** Bytes that the archive may have. */
  readonly limit: number;
  readonly store: StoreArchive;
  readonly discard: (archive: UploadedArchive) => Promise<void>;
}

async function* contentOf(file: Readable): AsyncGenerator<Uint8Array, void> {
  for await (const chunk of file) yield chunk as Buffer;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new WrennError("invalid_json", {}, { cause: error });
  }
}

function openParser(contentType: string): InstanceType<typeof Busboy> {
  try {
    return new Busboy({
      headers: { "content-type": contentType },
      limits: { files: 2, fields: 10, fieldSize: MAX_CONFIG, parts: 20 },
    });
  } catch (error) {
    throw new WrennError("multipart_expected", {}, { cause: error });
  }
}
