import { WrennError } from "@wrenn/core";
import { zeroSource } from "../mapping.ts";
import type { Mapping } from "../mapping.ts";

/** A mapping as the addon reads it: five numbers per extent, and the files that they name. */
export interface ExtentTable {
  readonly table: BigUint64Array;
  readonly paths: readonly string[];
}

const kinds = { zero: 0n, file: 1n, callback: 2n };

/**
 * Lays out a mapping for the addon.
 *
 * @param files Sources that are local files; a source that is in neither this nor `remote` is an error.
 * @throws WrennError `snapshot_corrupt`.
 */
export function extentTable(
  mapping: Mapping,
  files: ReadonlyMap<string, string>,
  remote: boolean,
): ExtentTable {
  const ids = [...files.keys()];
  const table = new BigUint64Array(mapping.length * 5);
  for (const [index, extent] of mapping.entries()) {
    const file = ids.indexOf(extent.source);
    if (file < 0 && extent.source !== zeroSource && !remote) {
      throw new WrennError("snapshot_corrupt", {
        what: "memory",
        problem: `source ${extent.source} is missing`,
      });
    }
    const kind = extent.source === zeroSource ? kinds.zero : file < 0 ? kinds.callback : kinds.file;
    const place = [BigInt(extent.offset), BigInt(extent.length), kind];
    table.set([...place, BigInt(Math.max(file, 0)), BigInt(extent.sourceOffset)], index * 5);
  }
  return { table, paths: [...files.values()] };
}
