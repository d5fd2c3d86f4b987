import { createRequire } from "node:module";
import { open } from "node:fs/promises";
import { setImmediate as nextTurn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { problemOf, WrennError } from "@wrenn/core";

/** The functions of native/file-extents. */
interface FileExtentsAddon {
  readonly find: (this: void, fd: number, from: number, limit: number) => Float64Array;
}

/** Extents that are found before other work of the server has its turn. */
const PER_TURN = 256;
const path = fileURLToPath(new URL("../../../native/file-extents/build/file-extents.node", import.meta.url));
let loaded: FileExtentsAddon | undefined;

/** A part of a file that is not a hole. */
export interface DataExtent {
  readonly start: number;
  readonly length: number;
}

/**
 * The parts of a file that may have data, in their order. What lies between them is zeros.
 *
 * @throws WrennError `operation_failed`; `dependency_missing` when the addon was not built; system errors of opening the file.
 */
export async function dataExtents(file: string, signal: AbortSignal): Promise<readonly DataExtent[]> {
  const { find } = loadAddon();
  const extents: DataExtent[] = [];
  await using handle = await open(file, "r");
  for (let from = 0; ;) {
    signal.throwIfAborted();
    let found: Float64Array;
    try {
      found = find(handle.fd, from, PER_TURN);
    } catch (error) {
      const details = { operation: `mapping ${file}`, problem: problemOf(error) };
      throw new WrennError("operation_failed", details, { cause: error });
    }
    for (let at = 0; at < found.length; at += 2) {
      const [start = 0, length = 0] = found.subarray(at);
      extents.push({ start, length });
      from = start + length;
    }
    if (found.length < PER_TURN * 2) return extents;
    await nextTurn();
  }
}

function loadAddon(): FileExtentsAddon {
  try {
    loaded ??= createRequire(import.meta.url)(path) as FileExtentsAddon;
    return loaded;
  } catch (error) {
    const what = `the file extents addon (${problemOf(error)})`;
    throw new WrennError("dependency_missing", { what }, { cause: error });
  }
}
