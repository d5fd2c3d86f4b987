import { defined, WrennError } from "@wrenn/core";
import type { ByteRange, CapsuleFiles, FileContent } from "@wrenn/protocol";
import type { FastifyReply, FastifyRequest } from "fastify";
import { readRange, resolveRange } from "./byte-range.ts";
import { judgeConditions } from "./conditions.ts";
import { entityTag } from "./entity-tags.ts";
import { abortWhenGone, download } from "./transfer.ts";

interface OpenFile {
  readonly content: FileContent;
  /** For a file whose bytes are not read. */
  readonly release: () => void;
}

/**
 * Answers GET or HEAD with a file. Length, entity tag, time, conditions, range and bytes are all of the same open file, so that an
 * answer never mixes two versions of it.
 *
 * @throws WrennError `range_not_satisfiable`, `precondition_failed`, and what the capsule's files throw.
 */
export async function sendContent(
  files: CapsuleFiles,
  path: string,
  options: { readonly user?: string },
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const left = abortWhenGone(reply);
  const open = async (range?: ByteRange): Promise<OpenFile> => {
    const unread = new AbortController();
    const signal = AbortSignal.any([left, unread.signal]);
    const content = await files.read(path, { ...options, ...defined({ range }), signal });
    return { content, release: () => unread.abort(new Error("the bytes are not wanted")) };
  };
  let range = request.method === "GET" ? readRange(request.headers.range) : undefined;
  let file = await open(range);
  if (range && !appliesTo(file.content, request.headers["if-range"])) {
    // All of the file instead, opened again: its facts are those of the second one.
    file.release();
    range = undefined;
    file = await open();
  }
  try {
    const answer = describe(file.content, range, request, reply);
    if (request.method === "GET" && answer.status !== 304) {
      const bytes = await download(file.content, answer.length);
      return await reply.status(answer.status).headers(answer.headers).send(bytes);
    }
    file.release();
    return await reply.status(answer.status).headers(answer.headers).send();
  } catch (error) {
    file.release();
    throw error;
  }
}

/** Whether a range can be given: not of a file of unknown size, nor of another version than the one the client has a part of. */
function appliesTo({ entry, size }: FileContent, ifRange: unknown): boolean {
  return size !== undefined && (ifRange === undefined || ifRange === entityTag(entry));
}

interface Description {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | number>>;
  /** Of the bytes that follow, when it is known. */
  readonly length?: number;
}

function describe(
  { entry, size }: FileContent,
  range: ByteRange | undefined,
  request: FastifyRequest,
  reply: FastifyReply,
): Description {
  const type = { "content-type": "application/octet-stream" };
  // What /proc and /sys make up while it is read has neither length nor version.
  if (size === undefined) {
    const outcome = judgeConditions(request.headers, undefined);
    if (outcome === "failed") throw new WrennError("precondition_failed", { path: entry.path });
    return outcome === "not_modified" ? { status: 304, headers: {} } : { status: 200, headers: type };
  }
  const tag = entityTag(entry);
  const modifiedMs = Number(entry.modifiedNs / 1_000_000n);
  const version = {
    etag: tag,
    "accept-ranges": "bytes",
    "last-modified": new Date(modifiedMs).toUTCString(),
  };
  const outcome = judgeConditions(request.headers, { tag, modifiedMs });
  if (outcome === "failed") {
    void reply.headers({ etag: tag, "last-modified": version["last-modified"] });
    throw new WrennError("precondition_failed", { path: entry.path });
  }
  if (outcome === "not_modified") return { status: 304, headers: version };
  const headers = { ...type, ...version };
  const part = range && resolveRange(range, size);
  if (!part) return { status: 200, headers: { ...headers, "content-length": size }, length: size };
  if (part === "unsatisfiable") {
    void reply.headers({ ...version, "content-range": `bytes */${size}` });
    throw new WrennError("range_not_satisfiable", { size });
  }
  const length = part.end - part.start + 1;
  const place = `bytes ${part.start}-${part.end}/${size}`;
  return { status: 206, headers: { ...headers, "content-range": place, "content-length": length }, length };
}
