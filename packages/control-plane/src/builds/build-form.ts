import { Busboy } from "@fastify/busboy";
import { finished } from "node:stream";
import type { Readable } from "node:stream";
import type { IncomingHttpHeaders } from "node:http";
import { problemOf, WrennError } from "@wrenn/core";
import { withoutStalls } from "../http/stalls.ts";

/** Bytes of the JSON text. */
const MAX_CONFIG = 1 << 20;
/** What a body has in addition to its file. */
const MAX_OVERHEAD = MAX_CONFIG + 65_536;
/** An upload of which nothing arrives for this long is given up. */
const STALL_MS = 30_000;

export interface BuildForm<T> {
  /** The JSON of `config`. */
  readonly config: unknown;
  readonly file: T | undefined;
}

/** The file of a form, which is stored while it arrives. */
export interface FormFile<T> {
  readonly name: string;
  /** Bytes that it may have. */
  readonly limit: number;
  /** What is thrown for a body that cannot have a file of this limit. */
  readonly tooLarge: () => WrennError;
  /**
   * @param mostBytes - how long it may be at most, as far as that is known.
   * @param fileName - as the client calls it; empty where it does not.
   */
  readonly store: (content: AsyncIterable<Uint8Array>, mostBytes: number, fileName: string) => Promise<T>;
  /** Deletes a file that arrived before the form turned out to be wrong. */
  readonly discard: (stored: T) => Promise<void>;
}

/**
 * Reads `multipart/form-data` with the JSON field `config` and a file, in any order.
 *
 * @param isStrict - whether fields that are not known are refused.
 * @throws WrennError `multipart_invalid`, `form_field_missing`, `invalid_json`, `invalid_field` for another field where `isStrict`, and
 *   what `tooLarge` makes and `store` throws.
 */
export async function readBuildForm<T>(
  body: Readable,
  headers: IncomingHttpHeaders,
  { name: fileField, limit, tooLarge, store, discard }: FormFile<T>,
  isStrict: boolean,
): Promise<BuildForm<T>> {
  const length = headers["content-length"];
  const mostBytes = length === undefined ? limit : Number(length);
  if (mostBytes > limit + MAX_OVERHEAD) throw tooLarge();
  const parser = openParser(headers["content-type"] ?? "");
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  let config: string | undefined;
  let storing: Promise<T> | undefined;
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
  parser.on("file", (name: string, file: Readable, fileName: string | undefined) => {
    // A part that breaks off is reported by the parser.
    file.on("error", () => {});
    if (name !== fileField || storing) {
      file.resume();
      if (name !== fileField) refuseUnknown(name);
      return;
    }
    content = file;
    storing = store(withoutStalls(contentOf(file), STALL_MS), Math.min(mostBytes, limit), fileName ?? "");
    storing.catch((error: unknown) => fail(error instanceof Error ? error : new Error(String(error))));
  });
  parser.on("error", (error: unknown) =>
    fail(new WrennError("multipart_invalid", { problem: problemOf(error) })),
  );
  parser.once("finish", resolve);
  finished(body, { writable: false }, (error) => {
    if (error) fail(new WrennError("multipart_invalid", { problem: "the client left before its end" }));
  });
  body.pipe(parser);
  try {
    await ended;
    const file = await storing;
    if (config === undefined) throw new WrennError("form_field_missing", { field: "config" });
    return { config: parseJson(config), file };
  } catch (error) {
    body.unpipe(parser);
    // A file that is broken off deletes itself.
    const stored = await storing?.catch(() => undefined);
    if (stored) await discard(stored);
    throw error;
  }
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
