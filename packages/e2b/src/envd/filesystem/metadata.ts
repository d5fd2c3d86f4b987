import type { IncomingHttpHeaders } from "node:http";
import { ATTRIBUTE_PATHS } from "@wrenn/protocol";
import type { CapsuleFiles, FileOptions } from "@wrenn/protocol";
import { HttpRefusal } from "../http/http-errors.ts";

/** Names of extended attributes that hold the metadata of a file, before its keys. */
const PREFIX = "user.e2b.";
const HEADER = "x-metadata-";
/** A name of an attribute has 255 bytes. */
const MOST_KEY = 255 - PREFIX.length;
const BAD_REQUEST = 400;

/** Text by key. */
export type Metadata = Readonly<Record<string, string>>;

/** What the headers of an upload say about its files. @throws HttpRefusal 400 for a key that no attribute can have. */
export function metadataOf(headers: IncomingHttpHeaders): Metadata {
  const metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    const key = name.slice(HEADER.length);
    if (!name.startsWith(HEADER) || key === "" || value === undefined) continue;
    if (key.length > MOST_KEY)
      throw new HttpRefusal(BAD_REQUEST, `a metadata key has at most ${MOST_KEY} characters`);
    metadata[key] = Array.isArray(value) ? value.join(", ") : value;
  }
  return metadata;
}

/** The metadata of files by path; what is gone or may not be read has none. */
export async function readMetadata(
  files: CapsuleFiles,
  paths: readonly string[],
  options: FileOptions,
): Promise<ReadonlyMap<string, Metadata>> {
  const found = new Map<string, Metadata>();
  for (let at = 0; at < paths.length; at += ATTRIBUTE_PATHS) {
    const batch = paths.slice(at, at + ATTRIBUTE_PATHS);
    const attributes = await files.attributes(batch, PREFIX, options);
    for (const [index, path] of batch.entries()) {
      const entries = Object.entries(attributes[index] ?? {});
      if (entries.length > 0)
        found.set(
          path,
          Object.fromEntries(entries.map(([name, value]) => [name.slice(PREFIX.length), value])),
        );
    }
  }
  return found;
}

/** Gives a file this metadata and no other. */
export async function writeMetadata(
  files: CapsuleFiles,
  path: string,
  metadata: Metadata,
  options: FileOptions,
): Promise<void> {
  const named = Object.entries(metadata).map(([key, value]) => [PREFIX + key, value] as const);
  await files.setAttributes(path, PREFIX, Object.fromEntries(named), options);
}
