import { WrennError } from "@wrenn/core";
import { zeroSource } from "../mapping.ts";
import type { Mapping } from "../mapping.ts";

const kinds = { zero: 0n, file: 1n, callback: 2n };

/** The kind of an extent whose pages are asked for. */
export const callbackKind = kinds.callback;

/**
 * Lays out a mapping for native/page-server: offset, length, kind, file and offset in the file of each extent.
 *
 * @param files - sources that are local files; a source that is in neither this nor `remote` is an error.
 * @throws WrennError `snapshot_corrupt`.
 */
export function extentTable(mapping: Mapping, files: readonly string[], remote: boolean): BigUint64Array {
  const table = new BigUint64Array(mapping.length * 5);
  for (const [index, extent] of mapping.entries()) {
    const file = files.indexOf(extent.source);
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
  return table;
}
