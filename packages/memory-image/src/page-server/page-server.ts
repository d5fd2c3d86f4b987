import { problemOf, WrennError } from "@wrenn/core";
import type { Mapping } from "../mapping.ts";
import type { PageSource } from "../page-source.ts";
import { BlockRequests } from "./block-requests.ts";
import { callbackKind, extentTable } from "./extent-table.ts";
import type { PageServerProgram } from "./page-server-program.ts";
import {
  encodeFill,
  encodeProvide,
  encodeReport,
  encodeSetUp,
  PageServerMessages,
  runsOf,
} from "./protocol.ts";
import type { PageServerMessage, PageServerReport } from "./protocol.ts";
import type { PageRange } from "./served-ranges.ts";

export interface PageServerOptions {
  /** The program, which has been told nothing yet. It ends with the server. */
  readonly program: PageServerProgram;
  readonly mapping: Mapping;
  /** Sources that are local files, in the order in which the program has them. */
  readonly files: readonly string[];
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
 * const server = startPageServer({ program, mapping, files, faultAround: 16, handshakeMs: 5000 });
 * const problem = await server.ended; // when the machine is gone
 */
export interface PageServer {
  /** Resolves, never rejects, when no more faults are answered: undefined when the machine ended or after `stop`. */
  readonly ended: Promise<WrennError<"page_server_failed"> | undefined>;
  /** Whether every page is in the machine, and the machine has been told. */
  isComplete(): boolean;
  /** Never rejects; after the end it is what the program reported last. */
  report(): Promise<PageServerReport>;
  /**
   * Brings in `pages`, which are all that the machine can miss, tells the machine that it needs no server any more (the byte
   * `D` on its connection), and ends.
   */
  fill(pages: readonly PageRange[]): void;
  /** Ends the program. A machine that is not complete ends with it. Idempotent. */
  stop(): Promise<void>;
}

const nothing: PageServerReport = {
  faults: 0,
  pages: 0,
  zeroPages: 0,
  removes: 0,
  otherEvents: 0,
  requests: 0,
  workingSet: new Uint32Array(),
};

/** @throws WrennError `snapshot_corrupt`; the program is the caller's then. */
export function startPageServer(options: PageServerOptions): PageServer {
  const { program, remote, faultAround, handshakeMs } = options;
  const extents = extentTable(options.mapping, options.files, remote !== undefined);
  const requests = new BlockRequests(extents, callbackKind);
  const messages = new PageServerMessages();
  const ended = Promise.withResolvers<WrennError<"page_server_failed"> | undefined>();
  const reads = new AbortController();
  let last = nothing;
  let asked: PromiseWithResolvers<PageServerReport> | undefined;
  let isComplete = false;

  const settle = (problem: WrennError<"page_server_failed"> | undefined): void => {
    if (reads.signal.aborted) return;
    reads.abort();
    asked?.resolve(last);
    ended.resolve(problem);
    // Whatever else a failed program sends is not read. It holds the machine's memory until `stop`.
    program.connection.pause();
  };
  const fail = (problem: string): void => settle(new WrennError("page_server_failed", { problem }));
  // The owner calls `stop`, which reports what went wrong.
  const endInBackground = (): void => void program.end().catch(() => {});

  const provide = async (offset: number, length: number): Promise<void> => {
    try {
      const bytes = await remote?.read(offset, length, reads.signal);
      if (reads.signal.aborted || bytes === undefined) return;
      requests.end(offset);
      for (const piece of encodeProvide(offset, bytes)) program.connection.write(piece);
    } catch (error) {
      fail(problemOf(error));
    }
  };
  const take = (report: PageServerReport): void => {
    if (report.workingSet.some((page) => page >= requests.pages)) throw absurd();
    last = report;
  };
  const handle = (message: PageServerMessage): void => {
    if (message.kind === "request") {
      requests.begin(message.offset, message.length);
      void provide(message.offset, message.length);
      return;
    }
    if (message.kind === "report" && !asked) throw absurd();
    take(message.report);
    asked?.resolve(last);
    asked = undefined;
    if (message.kind === "report") return;
    isComplete = message.outcome === "complete";
    if (message.outcome === "failed") {
      fail(message.text);
      return;
    }
    settle(undefined);
    endInBackground();
  };
  program.connection.on("data", (piece: Buffer) => {
    try {
      for (const message of messages.push(piece)) {
        if (reads.signal.aborted) return;
        handle(message);
      }
    } catch (error) {
      fail(problemOf(error));
      endInBackground();
    }
  });
  program.connection.on("error", () => {});
  for (const event of ["end", "close"]) program.connection.on(event, () => fail("the page server has ended"));

  program.connection.write(
    encodeSetUp({
      faultAround,
      handshakeMs,
      files: options.files.length,
      extents,
      workingSet: runsOf(options.prefetch ?? new Uint32Array()),
    }),
  );
  return {
    ended: ended.promise,
    isComplete: () => isComplete,
    fill: (pages) => {
      if (!reads.signal.aborted) program.connection.write(encodeFill(pages));
    },
    report: async () => {
      if (reads.signal.aborted) return last;
      if (!asked) {
        asked = Promise.withResolvers();
        program.connection.write(encodeReport());
      }
      return await asked.promise;
    },
    stop: async () => {
      settle(undefined);
      await program.end();
    },
  };
}

function absurd(): WrennError<"page_server_failed"> {
  return new WrennError("page_server_failed", { problem: "the page server sent an absurd report" });
}
