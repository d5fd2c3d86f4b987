import { writeFile } from "node:fs/promises";
import { defined, systemRandom, WrennError } from "@wrenn/core";
import { openChunks } from "../chunk-file.ts";
import type { Fetch } from "../chunk-file.ts";
import { decodeDiffIndex, diffDataOffset } from "../diff-file.ts";
import { mappedSource } from "../mapped-source.ts";
import { overlay, wholeFile, zeroSource } from "../mapping.ts";
import { pageSize } from "../page.ts";
import type { PageSource } from "../page-source.ts";
import type { PageServerProgram } from "./page-server-program.ts";
import { startPageServer } from "./page-server.ts";
import type { PageServer } from "./page-server.ts";
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
  /** Starts the program that serves; it gets the base file. */
  readonly start: (files: readonly string[], signal: AbortSignal) => Promise<PageServerProgram>;
  /** Path of the file that tells the machine which pages are served. */
  readonly ranges: string;
  /** Pages that an earlier life needed first. */
  readonly workingSet?: Uint32Array;
}

/** The memory of one machine while some of it is still to come. */
export interface ServedDiff extends Pick<PageServer, "isComplete" | "report" | "stop"> {
  /** Brings in all the rest, after which the machine needs no server any more. Call it once the machine runs. */
  fill(): void;
  /**
   * Resolves, never rejects: undefined when every page is in the machine or the machine is gone, otherwise why the server
   * failed. The machine then waits at a missing page until `stop`, which ends it.
   */
  readonly ended: PageServer["ended"];
}

/**
 * Serves a diff that is kept as compressed chunks to the machine that connects to the program's socket.
 *
 * @throws WrennError `snapshot_corrupt`, `page_server_failed`, and what `start` throws.
 */
export async function servePackedDiff(packed: PackedDiff, signal: AbortSignal): Promise<ServedDiff> {
  const [base, diff] = [systemRandom.uuid(), systemRandom.uuid()];
  // Both take milliseconds.
  const [program, prepared] = await Promise.allSettled([
    packed.start([packed.baseFile], signal),
    prepare(packed, base, diff, signal),
  ]);
  if (program.status === "rejected") throw program.reason;
  try {
    if (prepared.status === "rejected") throw prepared.reason;
    const { plan, remote } = prepared.value;
    const server = startPageServer({
      program: program.value,
      mapping: plan.mapping,
      files: [base],
      remote,
      faultAround,
      handshakeMs,
      ...defined({ prefetch: packed.workingSet }),
    });
    return { ...server, fill: () => server.fill(plan.ranges) };
  } catch (error) {
    await program.value.end();
    throw error;
  }
}

async function prepare(packed: PackedDiff, base: string, diff: string, signal: AbortSignal) {
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
  return { plan, remote };
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
