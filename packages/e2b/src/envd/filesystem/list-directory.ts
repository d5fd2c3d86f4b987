import { WrennError } from "@wrenn/core";
import type { CapsuleFiles, FileEntry, FileOptions } from "@wrenn/protocol";

/** Entries of one answer, which is not streamed: more would take the memory of the server. */
const MOST_ENTRIES = 100_000;
const PAGE = 10_000;

/** Everything down to `depth` levels below a directory. @throws WrennError `not_a_directory`, `too_many_entries`. */
export async function listDirectory(
  files: CapsuleFiles,
  path: string,
  depth: number,
  options: FileOptions,
): Promise<readonly FileEntry[]> {
  const entries: FileEntry[] = [];
  for (let after: string | undefined; ;) {
    const page = await files.listPage(
      path,
      { depth, limit: PAGE, ...(after === undefined ? {} : { after }) },
      options,
    );
    entries.push(...page.entries);
    if (page.next === undefined) return entries;
    if (entries.length >= MOST_ENTRIES) throw new WrennError("too_many_entries", { path });
    after = page.next;
  }
}
