import { createHash } from "node:crypto";
import type { BuildContext, ContextEntry } from "./build-context.ts";
import { ContextReader } from "./context-reader.ts";
import type { ResolvedCopy } from "./resolve-sources.ts";

/** Digests of files that were read already, for copies that share sources. */
const known = new WeakMap<ContextEntry, string>();

/**
 * The digest of what a step copies, for its cache key: paths, bytes, modes after `--chmod`, contents of links, and which files are one.
 * Times and owners in the context are no part of it.
 *
 * @throws ContextError naming a file that changed since the context was read; the signal's reason.
 */
export async function digestSources(
  context: BuildContext,
  { members }: ResolvedCopy,
  signal?: AbortSignal,
): Promise<string> {
  await using reader = new ContextReader(context);
  const all = createHash("sha256");
  for (const { path, entry, mode, linkTo, isNamed } of members) {
    const { type, target } = entry;
    const bytes = type === "file" && linkTo === undefined ? await digestOf(reader, entry, signal) : undefined;
    all.update(
      `${JSON.stringify([path, type, mode, isNamed, target ?? null, linkTo ?? null, bytes ?? null])}\n`,
    );
  }
  return all.digest("hex");
}

async function digestOf(
  reader: ContextReader,
  entry: ContextEntry,
  signal: AbortSignal | undefined,
): Promise<string> {
  const before = known.get(entry);
  if (before !== undefined) return before;
  const hash = createHash("sha256");
  for await (const piece of reader.read(entry, signal)) hash.update(piece);
  const digest = hash.digest("hex");
  known.set(entry, digest);
  return digest;
}
