import type { BuildContext } from "./build-context.ts";
import { ContextReader } from "./context-reader.ts";
import type { CopyMember, ResolvedCopy } from "./resolve-sources.ts";
import { tarEnd, tarHeader, tarPadding } from "./tar-header.ts";
import type { TarHeader } from "./tar-header.ts";

/** What a step copies, and the directory of the archive that it is in. */
export interface PackedCopy {
  readonly directory: string;
  readonly copy: ResolvedCopy;
}

/**
 * A tar archive of what steps copy, in pieces: no file is in memory as a whole. Owners are 0 and modes are those of the copies; links
 * are links, and hard links of a copy stay hard links. The same files make the same archive, apart from their times.
 *
 * @throws ContextError naming a file that changed since the context was read; the signal's reason.
 */
export async function* packSources(
  context: BuildContext,
  copies: readonly PackedCopy[],
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  await using reader = new ContextReader(context);
  for (const { directory, copy } of copies) {
    // Also of a copy without members: whoever unpacks its directory finds it.
    yield tarHeader(directoryHeader(directory));
    for (const member of copy.members) {
      signal?.throwIfAborted();
      const header = headerOf(directory, member);
      yield tarHeader(header);
      if (header.size === 0) continue;
      // The reader uses its buffer again, and a consumer may keep a piece.
      for await (const piece of reader.read(member.entry, signal)) yield new Uint8Array(piece);
      const padding = tarPadding(header.size);
      if (padding > 0) yield new Uint8Array(padding);
    }
  }
  yield tarEnd();
}

/** The bytes of the archive that {@link packSources} makes, unless files change meanwhile. */
export function packedSize(copies: readonly PackedCopy[]): number {
  let size = tarEnd().length;
  for (const { directory, copy } of copies) {
    size += tarHeader(directoryHeader(directory)).length;
    for (const member of copy.members) {
      const header = headerOf(directory, member);
      size += tarHeader(header).length + header.size + tarPadding(header.size);
    }
  }
  return size;
}

function directoryHeader(path: string): TarHeader {
  return { path, type: "directory", mode: 0o755, size: 0, mtimeSec: 0, target: undefined };
}

function headerOf(directory: string, { path, entry, mode, linkTo }: CopyMember): TarHeader {
  const { type, size, mtimeSec, target } = entry;
  const place = `${directory}/${path}`;
  if (linkTo !== undefined)
    return { path: place, type: "hard-link", mode, size: 0, mtimeSec, target: `${directory}/${linkTo}` };
  return { path: place, type, mode, size, mtimeSec, target };
}
