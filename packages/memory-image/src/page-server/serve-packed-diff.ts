import { writeFile } from "node:fs/promises";
import { defined, systemRandom, WrennError } from "@wrenn/core";
import { openChunks } from "../chunk-file.ts";
import type { Fetch } from "../chunk-file.ts";
import { decodeDiffIndex, diffDataOffset } from "../diff-file.ts";
import { mappedSource } from "../mapped-source.ts";
import { overlay, wholeFile, zeroSource } from "../mapping.ts";
import { pageSize } from "../page.ts";
import type { PageSource } from "../page-source.ts";
import type { PageServerReport } from "./addon.ts";
import { startPageServer } from "./page-server.ts";
import { encodeRanges, planServed } from "./served-ranges.ts";

const faultAround = 16;
const handshakeMs = 30_000;
const indexHead = 48;

export interface PackedDiff {
  /** Reads the chunk file (writeChunks) that holds a diff file, from wherever it is. */
  readonly fetch: Fetch;
  /** Names the chunk file in errors. */
  readonly what: string;
  /** The memory that the diff lies over. */
  readonly baseFile: string;
  /** Bytes. */
  readonly memorySize: number;
  /** Path of the unix socket to make; the caller removes it. */
  readonly socket: string;
  /** Path of the file that tells the machine which pages are served. */
  readonly ranges: string;
  /** Pages that an earlier life needed first. */
  readonly workingSet?: Uint32Array;
}

/** The memory of one machine while some of it is still to come. */
export interface ServedDiff {
  /** Brings in all the rest, after which the machine needs no server any more. Call it once the machine runs. */
  fill(): void;
  /**
   * Resolves, never rejects: undefined when every page is in the machine or the machine is gone, otherwise why the server
   * failed. The machine then waits at a missing page until `stop`, which ends it.
   */
  readonly ended: Promise<WrennError<"page_server_failed"> | undefined>;
  report(): PageServerReport;
  stop(): void;
}

/**
 * Serves a diff that is kept as compressed chunks to the machine that connects to the socket.
 *
 * @throws WrennError `snapshot_corrupt`, `page_server_failed`, `dependency_missing`.
 */
export async function servePackedDiff(packed: PackedDiff, signal: AbortSignal): Promise<ServedDiff> {
  const [base, diff] = [systemRandom.uuid(), systemRandom.uuid()];
  const chunks = await openChunks(packed.fetch, packed.what, signal);
  const index = await readIndex(chunks, packed, signal);
  const plan = planServed(index, base, diff);
  await writeFile(packed.ranges, encodeRanges(plan.ranges, index.memorySize));
  // Blocks are asked for whole; what of them is the base's own is never asked of the chunks.
  const changed = plan.mapping.filter(({ source }) => source === diff);
  const remote = mappedSource(
    overlay(wholeFile(zeroSource, index.memorySize), changed),
    new Map([[diff, chunks]]),
    packed.what,
  );
  const server = startPageServer({
    socket: packed.socket,
    mapping: plan.mapping,
    files: new Map([[base, packed.baseFile]]),
    remote,
    faultAround,
    handshakeMs,
    ...defined({ prefetch: packed.workingSet }),
  });
  return {
    fill: () => server.fill(plan.pages),
    ended: server.ended,
    report: () => server.report(),
    stop: () => server.stop(),
  };
}

async function readIndex(chunks: PageSource, packed: PackedDiff, signal: AbortSignal) {
  const { what, memorySize } = packed;
  const fail = (problem: string): never => {
    throw new WrennError("snapshot_corrupt", { what, problem });
  };
  if (chunks.size < indexHead) fail("it holds no diff");
  const head = Buffer.from(await chunks.read(0, indexHead, signal));
  const count = Number(head.readBigUInt64LE(16) + head.readBigUInt64LE(24));
  if (count > memorySize / pageSize) fail("it lists more pages than the memory has");
  const length = diffDataOffset(count);
  if (length > chunks.size) fail("index is cut short");
  const index = decodeDiffIndex(Buffer.from(await chunks.read(0, length, signal)), what);
  if (index.memorySize !== memorySize) fail("it belongs to a memory of another size");
  if (chunks.size !== length + index.pages.length * pageSize) fail("its size does not fit its index");
  return index;
}
