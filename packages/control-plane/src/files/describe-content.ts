import type { IncomingHttpHeaders } from "node:http";
import { defined, WrennError } from "@wrenn/core";
import type { ByteRange, CapsuleFiles, FileContent, FileOptions } from "@wrenn/protocol";
import { readRange, resolveRange } from "./byte-range.ts";
import { judgeConditions } from "./conditions.ts";
import { entityTag } from "./entity-tags.ts";

/** A file that is open for an answer. */
export interface ContentSource {
  readonly content: FileContent;
  /** The part that was asked for and can be given. */
  readonly range: ByteRange | undefined;
  /** For a file whose bytes are not read. */
  readonly release: () => void;
}

/** A request for a file. */
export interface FileRequest {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
}

/** Opens a file for GET or HEAD, from where the request's range begins. */
export async function openFile(
  files: CapsuleFiles,
  path: string,
  { signal: left, ...options }: FileOptions,
  request: FileRequest,
): Promise<ContentSource> {
  const open = async (range?: ByteRange): Promise<ContentSource> => {
    const unread = new AbortController();
    const signal = AbortSignal.any([left, unread.signal]);
    const content = await files.read(path, { ...options, ...defined({ range }), signal });
    return { content, range, release: () => unread.abort(new Error("the bytes are not wanted")) };
  };
  const range = request.method === "GET" ? readRange(request.headers.range) : undefined;
  const file = await open(range);
  if (!range || appliesTo(file.content, request.headers["if-range"])) return file;
  // All of the file instead, opened again: its facts are those of the second one.
  file.release();
  return await open();
}

/** Whether a range can be given: not of a file of unknown size, nor of another version than the one the client has a part of. */
function appliesTo({ entry, size }: FileContent, ifRange: unknown): boolean {
  return size !== undefined && (ifRange === undefined || ifRange === entityTag(entry));
}

/** An answer for a file, by its conditions and its range. */
export interface FileAnswer {
  readonly status: 200 | 206 | 304 | 412 | 416;
  readonly headers: Readonly<Record<string, string | number>>;
  /** Of the bytes that follow, when it is known. */
  readonly length?: number;
  /** Why the file is not given: `range_not_satisfiable` or `precondition_failed`. */
  readonly refusal?: WrennError;
}

/** Describes the answer for a file that is open. */
export function describeAnswer(
  { content: { entry, size }, range }: ContentSource,
  headers: IncomingHttpHeaders,
): FileAnswer {
  const type = { "content-type": "application/octet-stream" };
  const failed = (): WrennError => new WrennError("precondition_failed", { path: entry.path });
  // What /proc and /sys make up while it is read has neither length nor version.
  if (size === undefined) {
    const outcome = judgeConditions(headers, undefined);
    if (outcome === "failed") return { status: 412, headers: {}, refusal: failed() };
    return outcome === "not_modified" ? { status: 304, headers: {} } : { status: 200, headers: type };
  }
  const tag = entityTag(entry);
  const modifiedMs = Number(entry.modifiedNs / 1_000_000n);
  const version = {
    etag: tag,
    "accept-ranges": "bytes",
    "last-modified": new Date(modifiedMs).toUTCString(),
  };
  const outcome = judgeConditions(headers, { tag, modifiedMs });
  if (outcome === "failed")
    return {
      status: 412,
      headers: { etag: tag, "last-modified": version["last-modified"] },
      refusal: failed(),
    };
  if (outcome === "not_modified") return { status: 304, headers: version };
  const whole = { ...type, ...version };
  const part = range && resolveRange(range, size);
  if (!part) return { status: 200, headers: { ...whole, "content-length": size }, length: size };
  if (part === "unsatisfiable")
    return {
      status: 416,
      headers: { ...version, "content-range": `bytes */${size}` },
      refusal: new WrennError("range_not_satisfiable", { size }),
    };
  const length = part.end - part.start + 1;
  const place = `bytes ${part.start}-${part.end}/${size}`;
  return { status: 206, headers: { ...whole, "content-range": place, "content-length": length }, length };
}
