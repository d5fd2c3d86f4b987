import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { problemOf, WrennError } from "@wrenn/core";

/** The functions of native/page-server. */
export interface PageServerAddon {
  start(
    socket: string,
    table: BigUint64Array,
    paths: readonly string[],
    around: number,
    handshakeMs: number,
    prefetch: Uint32Array,
    notify: (offset: number, length: number) => void,
  ): object;
  provide(handle: object, offset: number, bytes: Uint8Array): void;
  fill(handle: object, pages: Uint32Array): void;
  report(handle: object): PageServerReport;
  /** What made the thread end early, if anything did; only after it said that it ends. */
  failure(handle: object): string | undefined;
  /** Joins the thread and closes everything. */
  stop(handle: object): void;
}

/** What a page server has done so far. */
export interface PageServerReport {
  readonly faults: number;
  /** Pages filled with stored bytes. */
  readonly pages: number;
  readonly zeroPages: number;
  readonly removes: number;
  readonly otherEvents: number;
  /** Blocks asked of the callback. */
  readonly requests: number;
  /** Every page is in the machine, and the machine has been told. */
  readonly complete: boolean;
  /** Numbers of the pages that faulted, in order: what a later resume should prefetch. */
  readonly workingSet: Uint32Array;
}

const path = fileURLToPath(new URL("../../../../native/page-server/build/page-server.node", import.meta.url));
let loaded: PageServerAddon | undefined;

/** @throws WrennError `dependency_missing` when the addon was not built. */
export function loadAddon(): PageServerAddon {
  try {
    loaded ??= createRequire(import.meta.url)(path) as PageServerAddon;
    return loaded;
  } catch (error) {
    const what = `the page server addon (${problemOf(error)})`;
    throw new WrennError("dependency_missing", { what }, { cause: error });
  }
}
