import { finished } from "node:stream";
import type { Readable } from "node:stream";
import { Busboy } from "@fastify/busboy";
import { asError, problemOf } from "@wrenn/core";
import { HttpRefusal } from "./http-errors.ts";

const FILE = "file";
const MOST_PARTS = 10_000;
/** Of a part that is no file, and so is not looked at. */
const FIELD_BYTES = 1024;
const BAD_REQUEST = 400;

/** A file of a form while it arrives. */
export interface PostedFile {
  /** With its directories, as the client has sent it. */
  readonly filename: string | undefined;
  readonly content: AsyncIterable<Uint8Array>;
}

/**
 * Hands every part of a form that is named `file` to `take`, one after the other; the next one arrives when `take` is done with the one
 * before. Other parts are skipped.
 *
 * @throws HttpRefusal 400 for what is no form or ends too early, and what `take` throws.
 */
export async function readForm(
  contentType: string,
  body: Readable,
  take: (file: PostedFile) => Promise<void>,
): Promise<void> {
  const parser = openParser(contentType);
  const whole = Promise.withResolvers<void>();
  let current: Readable | undefined;
  let queue = Promise.resolve();
  const fail = (error: unknown): void => {
    const known = error instanceof HttpRefusal ? error : malformed(error);
    whole.reject(known);
    current?.destroy(known);
  };
  whole.promise.catch(() => undefined);
  parser.on("file", (_field: string | undefined, file: Readable, filename: string | undefined) => {
    current = file;
    file.on("error", () => undefined);
    queue = queue.then(async () => {
      try {
        await take({ filename: filename === "" ? undefined : filename, content: file });
      } finally {
        // A file that was refused is read to its end.
        file.resume();
      }
    });
    queue.catch((error: unknown) => whole.reject(asError(error)));
  });
  // Each time: an error without a listener would end the server.
  parser.on("error", fail);
  parser.once("partsLimit", () => fail(new Error(`it has more than ${MOST_PARTS} parts`)));
  parser.once("finish", () => whole.resolve());
  finished(body, { writable: false }, (error) => {
    if (error) fail(error);
  });
  body.pipe(parser);
  try {
    await whole.promise;
    await queue;
  } finally {
    body.unpipe(parser);
  }
}

function malformed(error: unknown): HttpRefusal {
  return new HttpRefusal(BAD_REQUEST, `error parsing multipart form: ${problemOf(error)}`);
}

function openParser(contentType: string): InstanceType<typeof Busboy> {
  try {
    return new Busboy({
      headers: { "content-type": contentType },
      limits: { fieldSize: FIELD_BYTES, parts: MOST_PARTS },
      preservePath: true,
      isPartAFile: (name) => name === FILE,
    });
  } catch (error) {
    throw malformed(error);
  }
}
