import type { DirtyPages } from "./dirty-pages.ts";
import { mappedSource } from "./mapped-source.ts";
import type { Extent, Mapping } from "./mapping.ts";
import type { PageSource } from "./page-source.ts";
import { pageSize } from "./page.ts";

const pieceBytes = 256 * pageSize;

/** Every page of a mapping that does not come from the base at its own place, as one dump. */
export function mergedPages(
  mapping: Mapping,
  base: { readonly id: string; readonly size: number },
  sources: ReadonlyMap<string, PageSource>,
): DirtyPages {
  const changed = mapping.filter(
    (extent: Extent) => extent.source !== base.id || extent.sourceOffset !== extent.offset,
  );
  const whole = mappedSource(mapping, sources, "merge");
  return {
    memorySize: base.size,
    count: changed.reduce((sum, extent) => sum + extent.length, 0) / pageSize,
    async *runs(signal) {
      for (const extent of changed) {
        for (let done = 0; done < extent.length; done += pieceBytes) {
          const offset = extent.offset + done;
          const bytes = await whole.read(offset, Math.min(pieceBytes, extent.length - done), signal);
          yield { firstPage: offset / pageSize, bytes: Buffer.from(bytes.buffer) };
        }
      }
    },
  };
}
