import { posix } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { problemOf } from "@wrenn/core";
import type { FileOptions } from "@wrenn/protocol";
import type { EnvdSandbox } from "../envd-sandbox.ts";
import { metadataOf, writeMetadata } from "../filesystem/metadata.ts";
import type { Metadata } from "../filesystem/metadata.ts";
import { makeTopDirectory } from "../filesystem/top-directory.ts";
import { pathOf } from "../user-paths.ts";
import { answerJson } from "./exchange.ts";
import type { AgentExchange } from "./exchange.ts";
import { HttpRefusal } from "./http-errors.ts";
import { readForm } from "./upload-form.ts";

const OK = 200;
const BAD_REQUEST = 400;

/** A file that was written, as clients compare it: without other keys. */
interface WrittenFile {
  readonly path: string;
  readonly name: string;
  readonly type: "file";
  readonly metadata?: Metadata;
}

/**
 * Answers `POST /files`: a form with any number of files, or one file as `application/octet-stream`, either of them compressed with gzip
 * if its header says so. A file appears when all of it has arrived.
 *
 * @throws HttpRefusal 400, and WrennError of files.
 */
export async function uploadFiles(sandbox: EnvdSandbox, exchange: AgentExchange): Promise<void> {
  const { request, response, query, left } = exchange;
  const type = (request.headers["content-type"] ?? "").trim();
  const path = query.get("path") ?? "";
  const options = { user: query.get("username") || sandbox.defaultUser, signal: left };
  const metadata = metadataOf(request.headers);
  const written: WrittenFile[] = [];
  const write = async (target: string, content: AsyncIterable<Uint8Array>): Promise<void> => {
    written.push(await writeFile(sandbox, target, content, { metadata, options }));
  };
  const body = bodyOf(exchange);
  if (/^multipart\/form-data\b/i.test(type)) {
    await readForm(type, body, async ({ filename, content }) => {
      const target = path === "" ? filename : path;
      if (target === undefined) throw new HttpRefusal(BAD_REQUEST, "a file has neither a path nor a name");
      if (written.length > 0 && (await isAmong(written, target, sandbox, options)))
        throw new HttpRefusal(BAD_REQUEST, `you cannot upload multiple files to the same path: ${target}`);
      await write(target, content);
    });
  } else if (/^application\/octet-stream\b/i.test(type)) {
    if (path === "") throw new HttpRefusal(BAD_REQUEST, "path is required for application/octet-stream");
    await write(path, readable(body));
  } else {
    throw new HttpRefusal(
      BAD_REQUEST,
      "content type must be multipart/form-data or application/octet-stream",
    );
  }
  answerJson(response, OK, written);
}

/** Whether a target is one of these files, however it is written. */
async function isAmong(
  files: readonly WrittenFile[],
  target: string,
  sandbox: EnvdSandbox,
  options: FileOptions,
): Promise<boolean> {
  const path = pathOf(target, sandbox);
  const home = path.startsWith("~") ? (await sandbox.files.stat("~", options)).path : "";
  const absolute = path.replace(/^~/, home);
  return files.some((file) => file.path === absolute);
}

async function writeFile(
  sandbox: EnvdSandbox,
  target: string,
  content: AsyncIterable<Uint8Array>,
  {
    metadata,
    options,
  }: { readonly metadata: Metadata; readonly options: FileOptions & { readonly user: string } },
): Promise<WrittenFile> {
  const path = pathOf(target, sandbox);
  await makeTopDirectory(sandbox, posix.dirname(path), options);
  const entry = await sandbox.uploads.during(sandbox, path, options, () =>
    sandbox.files.write(path, content, options),
  );
  // Also without any: what the file had before is taken away.
  await writeMetadata(sandbox.files, entry.path, metadata, options);
  const isEmpty = Object.keys(metadata).length === 0;
  return { path: entry.path, name: entry.name, type: "file", ...(isEmpty ? {} : { metadata }) };
}

/** The body without its coding. @throws HttpRefusal for a coding other than gzip. */
function bodyOf({ request }: AgentExchange): Readable {
  const coding = (request.headers["content-encoding"] ?? "identity").trim().toLowerCase();
  if (coding === "identity" || coding === "") return request;
  if (coding !== "gzip" && coding !== "x-gzip")
    throw new HttpRefusal(BAD_REQUEST, `unsupported content encoding: ${coding.slice(0, 100)}`);
  const plain = createGunzip();
  // Whoever reads the result meets the error; when nothing reads any more, it must not end the server.
  plain.on("error", () => undefined);
  pipeline(request, plain, () => undefined);
  return plain;
}

async function* readable(body: Readable): AsyncGenerator<Uint8Array, void> {
  try {
    for await (const chunk of body.iterator({ destroyOnReturn: false })) yield chunk as Buffer;
  } catch (error) {
    throw new HttpRefusal(BAD_REQUEST, `error reading the body: ${problemOf(error)}`);
  }
}
