import { problemOf, WrennError } from "@wrenn/core";
import type { Mapping } from "../mapping.ts";
import type { PageSource } from "../page-source.ts";
import { loadAddon } from "./addon.ts";
import type { PageServerReport } from "./addon.ts";
import { extentTable } from "./extent-table.ts";

export interface PageServerOptions {
  /** Path of the unix socket to make for the machine; the caller removes it. At most 107 bytes. */
  readonly socket: string;
  readonly mapping: Mapping;
  /** Local files by source id; served natively. */
  readonly files: ReadonlyMap<string, string>;
  /** The whole memory, for extents whose source is no local file. */
  readonly remote?: PageSource;
  /** Pages brought in around a fault, 1 to 64. */
  readonly faultAround: number;
  /** Milliseconds that a connected machine has for its handshake. */
  readonly handshakeMs: number;
  /** Pages to bring in while nothing faults: the recorded working set of an earlier life. */
  readonly prefetch?: Uint32Array;
}

/**
 * Serves the page faults of one machine. Owned by whoever owns the machine. After a failure the machine's
 * threads stay blocked at the pages they miss: the owner ends the machine, then calls `stop`.
 *
 * @example
 * const server = startPageServer({ socket, mapping, files, faultAround: 16, handshakeMs: 5000 });
 * const problem = await server.ended; // when the machine is gone
 */
export interface PageServer {
  /** Resolves, never rejects, when no more faults are answered: undefined when the machine ended or after `stop`. */
  readonly ended: Promise<WrennError<"page_server_failed"> | undefined>;
  report(): PageServerReport;
  /**
   * Brings in `pages`, which are all that the machine can miss, tells the machine that it needs no server any more (the byte
   * `D` on its connection), and ends. Only once the machine is connected.
   */
  fill(pages: Uint32Array): void;
  /** Ends the thread and closes every descriptor. A machine that still lives reads zeros afterwards: end it first. */
  stop(): void;
}

/** @throws WrennError `dependency_missing`, `snapshot_corrupt`; `page_server_failed` when socket or files cannot be opened. */
export function startPageServer(options: PageServerOptions): PageServer {
  const addon = loadAddon();
  const { table, paths } = extentTable(options.mapping, options.files, options.remote !== undefined);
  const ended = Promise.withResolvers<WrennError<"page_server_failed"> | undefined>();
  const reads = new AbortController();
  let last: PageServerReport | undefined;

  const stop = (): void => {
    if (last !== undefined) return;
    last = addon.report(handle);
    reads.abort();
    addon.stop(handle);
    ended.resolve(undefined);
  };
  // A failed server keeps its descriptors: closing the last one would let a machine that still lives read zeros.
  const fail = (problem: string): void => ended.resolve(new WrennError("page_server_failed", { problem }));
  const fetch = async (offset: number, length: number): Promise<void> => {
    try {
      const bytes = await options.remote?.read(offset, length, reads.signal);
      if (bytes !== undefined && last === undefined) addon.provide(handle, offset, bytes);
    } catch (error) {
      if (last === undefined) fail(problemOf(error));
    }
  };
  const notify = (offset: number, length: number): void => {
    if (length > 0) {
      void fetch(offset, length);
      return;
    }
    const failure = addon.failure(handle);
    if (failure === undefined) stop();
    else fail(failure);
  };
  let handle: object;
  try {
    const prefetch = options.prefetch ?? new Uint32Array();
    const { socket, faultAround, handshakeMs } = options;
    handle = addon.start(socket, table, paths, faultAround, handshakeMs, prefetch, notify);
  } catch (error) {
    throw new WrennError("page_server_failed", { problem: problemOf(error) }, { cause: error });
  }
  return {
    ended: ended.promise,
    fill: (pages) => {
      if (last === undefined) addon.fill(handle, pages);
    },
    report: () => last ?? addon.report(handle),
    stop,
  };
}
