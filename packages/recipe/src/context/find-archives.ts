import { archiveKindOf } from "./archive-kind.ts";
import type { ArchiveKind } from "./archive-kind.ts";
import type { BuildContext } from "./build-context.ts";
import { ContextReader } from "./context-reader.ts";
import type { ResolvedCopy } from "./resolve-sources.ts";

/**
 * The archives among the files that ADD names, by their paths below the target. Files in directories that it copies are none: they are
 * copied as they are.
 *
 * @throws ContextError naming a file that changed since the context was read; the signal's reason.
 */
export async function findArchives(
  context: BuildContext,
  { members }: ResolvedCopy,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, ArchiveKind>> {
  await using reader = new ContextReader(context);
  const found = new Map<string, ArchiveKind>();
  for (const { path, entry, isNamed } of members) {
    if (!isNamed || entry.type !== "file") continue;
    // One piece: leaving the loop closes the file.
    for await (const head of reader.read(entry, signal)) {
      const kind = archiveKindOf(head);
      if (kind !== undefined) found.set(path, kind);
      break;
    }
  }
  return found;
}
