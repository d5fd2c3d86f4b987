import { posix } from "node:path";
import { Type } from "typebox";
import { Value } from "typebox/value";
import type { CapsuleFiles, FileOptions } from "@wrenn/protocol";
import type { EnvdSandbox } from "../envd-sandbox.ts";
import { writeMetadata } from "../filesystem/metadata.ts";
import { makeTopDirectory } from "../filesystem/top-directory.ts";
import { pathOf } from "../user-paths.ts";
import { answerJson } from "./exchange.ts";
import type { AgentExchange } from "./exchange.ts";
import { HttpRefusal } from "./http-errors.ts";

const OK = 200;
const BAD_REQUEST = 400;
const MOST_BYTES = 1 << 20;
const MOST_SOURCES = 10_000;

const ComposeBody = Type.Object({
  source_paths: Type.Array(Type.String({ maxLength: 4096 }), { minItems: 1, maxItems: MOST_SOURCES }),
  destination: Type.String({ minLength: 1, maxLength: 4096 }),
  username: Type.Optional(Type.String({ maxLength: 64 })),
});

/**
 * Answers `POST /files/compose`: the sources become one file, one after the other, and are removed then. When one cannot be read, the
 * destination stays as it was, and all sources stay.
 *
 * @throws HttpRefusal 400, and WrennError of files.
 */
export async function composeFiles(
  sandbox: EnvdSandbox,
  { request, response, left: signal }: AgentExchange,
): Promise<void> {
  const body = await readBody(request);
  const options = { user: body.username || sandbox.defaultUser, signal };
  const sources = body.source_paths.map((path) => pathOf(path, sandbox));
  const { files } = sandbox;
  const destination = pathOf(body.destination, sandbox);
  await makeTopDirectory(sandbox, posix.dirname(destination), options);
  const content = concatenated(files, sources, options);
  const entry = await files.write(destination, content, options);
  await writeMetadata(files, entry.path, {}, options);
  for (const source of new Set(sources)) {
    const { path } = await files.stat(source, options);
    if (path !== entry.path) await files.remove(source, { ...options, recursive: false });
  }
  answerJson(response, OK, { path: entry.path, name: entry.name, type: "file" });
}

async function* concatenated(
  files: CapsuleFiles,
  sources: readonly string[],
  options: FileOptions,
): AsyncGenerator<Uint8Array, void> {
  for (const source of sources) yield* (await files.read(source, options)).bytes;
}

async function readBody(request: AgentExchange["request"]): Promise<Type.Static<typeof ComposeBody>> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    parts.push(chunk as Buffer);
    size += (chunk as Buffer).length;
    if (size > MOST_BYTES) throw new HttpRefusal(BAD_REQUEST, `the body is larger than ${MOST_BYTES} bytes`);
  }
  let body: unknown;
  try {
    body = JSON.parse(Buffer.concat(parts).toString());
  } catch {
    throw new HttpRefusal(BAD_REQUEST, "the body is not JSON");
  }
  if (!Value.Check(ComposeBody, body))
    throw new HttpRefusal(BAD_REQUEST, "source_paths and destination are required");
  return body;
}
