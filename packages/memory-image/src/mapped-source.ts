import { WrennError } from "@wrenn/core";
import { slice, zeroSource } from "./mapping.ts";
import type { Mapping } from "./mapping.ts";
import type { PageSource } from "./page-source.ts";

/** A memory whose pages lie in several sources, put together by a mapping. */
export function mappedSource(
  mapping: Mapping,
  sources: ReadonlyMap<string, PageSource>,
  what: string,
): PageSource {
  const last = mapping.at(-1);
  const size = last === undefined ? 0 : last.offset + last.length;
  return {
    size,
    async read(offset, length, signal) {
      if (offset < 0 || offset + length > size) {
        throw new WrennError("snapshot_corrupt", { what, problem: `no bytes at ${offset}+${length}` });
      }
      const bytes = new Uint8Array(length);
      for (const part of slice(mapping, offset, length)) {
        if (part.source === zeroSource) continue;
        const source = sources.get(part.source);
        if (source === undefined) {
          throw new WrennError("snapshot_corrupt", { what, problem: `source ${part.source} is missing` });
        }
        bytes.set(await source.read(part.sourceOffset, part.length, signal), part.offset - offset);
      }
      return bytes;
    },
  };
}
