import { pipeline } from "node:stream/promises";
import { constants, createGzip } from "node:zlib";
import { describeAnswer, download, openFile } from "@wrenn/control-plane/file-answers";
import type { EnvdSandbox } from "../envd-sandbox.ts";
import { pathOf } from "../user-paths.ts";
import { chooseCoding } from "./content-codings.ts";
import type { AgentExchange } from "./exchange.ts";
import { HttpRefusal } from "./http-errors.ts";

const NOT_MODIFIED = 304;

/**
 * Answers `GET /files` with the bytes of a file: all of it or a range, by the conditions of the request, compressed for clients that
 * prefer that. A failure in the middle breaks the connection.
 *
 * @throws HttpRefusal, and WrennError of files, before anything was answered.
 */
export async function downloadFile(
  sandbox: EnvdSandbox,
  { request, response, method, query, left }: AgentExchange,
): Promise<void> {
  const user = query.get("username") || sandbox.defaultUser;
  const path = pathOf(query.get("path") ?? "", sandbox);
  response.setHeader("vary", "Accept-Encoding");
  const hasRange = request.headers.range !== undefined;
  const coding = chooseCoding(request.headers["accept-encoding"], hasRange);
  // Parts are of the plain file; a client that takes no plain file gets all of it.
  const headers = coding === "gzip" ? { ...request.headers, range: undefined } : request.headers;
  const file = await openFile(sandbox.files, path, { user, signal: left }, { method, headers });
  try {
    const answer = describeAnswer(file, headers);
    if (answer.refusal) {
      setAll(response, answer.headers);
      throw new HttpRefusal(answer.status, answer.refusal.message);
    }
    const hasBody = method === "GET" && answer.status !== NOT_MODIFIED;
    const bytes = hasBody ? await download(file.content, answer.length) : undefined;
    if (!bytes) file.release();
    setAll(response, answer.headers);
    response.setHeader("content-disposition", dispositionOf(file.content.entry.name));
    if (coding === "gzip" && answer.status !== NOT_MODIFIED) {
      response.setHeader("content-encoding", "gzip");
      response.removeHeader("content-length");
      response.removeHeader("accept-ranges");
      const { etag } = answer.headers;
      // The same version in another form.
      if (etag !== undefined) response.setHeader("etag", `W/${String(etag)}`);
    }
    response.writeHead(answer.status);
    if (!bytes) response.end();
    else if (coding === "gzip")
      await pipeline(bytes, createGzip({ level: constants.Z_BEST_SPEED }), response);
    else await pipeline(bytes, response);
  } catch (error) {
    file.release();
    throw error;
  }
}

function setAll(
  response: AgentExchange["response"],
  headers: Readonly<Record<string, string | number>>,
): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
}

/** With the name of the file (RFC 6266): as it is for clients that know UTF-8, and in ASCII for others. */
function dispositionOf(name: string): string {
  const plain = name.replaceAll(/[^\x20-\x7e]|["\\]/g, "_");
  if (plain === name) return `inline; filename="${plain}"`;
  const encoded = encodeURIComponent(name.toWellFormed()).replaceAll(
    /['()*]/g,
    (char) => `%${char.codePointAt(0)?.toString(16).toUpperCase() ?? ""}`,
  );
  return `inline; filename="${plain}"; filename*=UTF-8''${encoded}`;
}
