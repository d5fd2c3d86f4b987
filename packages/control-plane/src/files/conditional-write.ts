import { defined, WrennError } from "@wrenn/core";
import type { CapsuleFiles, FileEntry, FileOptions } from "@wrenn/protocol";
import type { FastifyReply } from "fastify";
import { entityTag } from "./entity-tags.ts";

/**
 * Does a write, and gives the answer of one whose condition failed the entity tag of the file that is there, if there is one.
 *
 * @throws what the write throws.
 */
export async function withCurrentTag<T>(
  {
    files,
    path,
    user,
    reply,
  }: { files: CapsuleFiles; path: string; user: string | undefined; reply: FastifyReply },
  signal: AbortSignal,
  write: () => Promise<T>,
): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (WrennError.is(error, "precondition_failed")) {
      const current = await currentEntry(files, path, { ...defined({ user }), signal });
      if (current) void reply.header("etag", entityTag(current));
    }
    throw error;
  }
}

/** The file that is there; undefined when it cannot be seen, which is no reason to fail in another way. */
async function currentEntry(
  files: CapsuleFiles,
  path: string,
  options: FileOptions,
): Promise<FileEntry | undefined> {
  try {
    const entry = await files.stat(path, { ...options, follow: true });
    return entry.type === "file" ? entry : undefined;
  } catch {
    return undefined;
  }
}
