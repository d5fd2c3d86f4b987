import { chmod, open, readFile, rm, writeFile } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { WrennError } from "@wrenn/core";
import { openChunks, writeChunks } from "./chunk-file.ts";
import type { Fetch } from "./chunk-file.ts";
import type { StartPageServerProgram } from "./page-server/page-server-program.ts";
import { servePackedDiff } from "./page-server/serve-packed-diff.ts";
import type { ServedDiff } from "./page-server/serve-packed-diff.ts";
import { directoryFiles } from "./store-files.ts";

const COPY_BYTES = 1 << 20;

/** The packed memory of one machine and the files through which the machine gets it. */
export interface ServeMemoryRequest {
  /** The chunk file that {@link packMemory} wrote. */
  readonly packed: string;
  /** The memory that the diff lies over. */
  readonly base: string;
  readonly memoryMib: number;
  /** Paths of the socket and of the ranges file to create. The machine's user can use both; `stop` removes them. */
  readonly machine: { readonly socket: string; readonly ranges: string };
  /** The machine's user. */
  readonly uid: number;
  /** The user of the page server. */
  readonly serverUid: number;
  /** File with the pages that an earlier life needed first: read at the start, written when every page has been served. */
  readonly workingSet: string;
}

/** The pages of one machine while some of them are still missing. */
export interface ServedMemoryPages extends Pick<ServedDiff, "fill" | "ended" | "isComplete"> {
  /** Ends the server, and the machine too if it is not complete. Idempotent. */
  stop(): Promise<void>;
}

/** Writes the diff in `diff` to `target` as zstd chunks, durably. */
export async function packMemory(diff: string, target: string, signal: AbortSignal): Promise<void> {
  await using from = await open(diff, "r");
  const { size } = await from.stat();
  const to = await directoryFiles(dirname(target)).create(basename(target));
  try {
    await writeChunks(
      { size, read: readFrom(from, diff) },
      (bytes, position) => to.write(bytes, position),
      signal,
    );
    await to.sync();
  } finally {
    await to.close();
  }
}

/** Writes the diff in a chunk file to `target`, byte for byte. @throws WrennError `snapshot_corrupt`. */
export async function unpackMemory(packed: string, target: string, signal: AbortSignal): Promise<void> {
  await using from = await open(packed, "r");
  const chunks = await openChunks(fetchFrom(from), packed, signal);
  const to = await directoryFiles(dirname(target)).create(basename(target));
  try {
    for (let at = 0; at < chunks.size; at += COPY_BYTES)
      await to.write(await chunks.read(at, Math.min(COPY_BYTES, chunks.size - at), signal), at);
  } finally {
    await to.close();
  }
}

/**
 * Starts a page server for one machine whose memory is a chunk file.
 *
 * @throws WrennError `snapshot_corrupt`, `page_server_failed`, and what `start` throws.
 */
export async function servePackedMemory(
  request: ServeMemoryRequest,
  start: StartPageServerProgram,
  signal: AbortSignal,
): Promise<ServedMemoryPages> {
  const { machine, workingSet, memoryMib } = request;
  const [file, remembered] = await Promise.all([open(request.packed, "r"), readWorkingSet(workingSet)]);
  const removeFiles = async (): Promise<void> => {
    await rm(machine.ranges, { force: true });
    await file.close();
  };
  let started: ServedDiff | undefined;
  try {
    const server = await servePackedDiff(
      {
        fetch: fetchFrom(file),
        what: request.packed,
        baseFile: request.base,
        memorySize: memoryMib * 2 ** 20,
        ranges: machine.ranges,
        workingSet: remembered,
        start: (files, inner) => {
          const { uid: machineUid, serverUid } = request;
          return start({ files, socket: machine.socket, machineUid, serverUid, memoryMib }, inner);
        },
      },
      signal,
    );
    started = server;
    await chmod(machine.ranges, 0o444);
    let stopped: Promise<void> | undefined;
    const endAll = async (one: ServedDiff): Promise<void> => {
      try {
        await one.stop();
      } finally {
        await removeFiles();
      }
    };
    const stop = async (): Promise<void> => {
      stopped ??= endAll(server);
      await stopped;
    };
    const ended = server.ended.then(async (problem) => {
      if (server.isComplete()) await rememberWorkingSet(workingSet, remembered, server);
      // A machine cannot run without the pages of a failed server, so it ends too. The owner's own `stop` reports a problem.
      if (problem) await stop().catch(() => {});
      return problem;
    });
    return { fill: () => server.fill(), isComplete: () => server.isComplete(), ended, stop };
  } catch (error) {
    await started?.stop();
    await removeFiles();
    throw error;
  }
}

/** Only saves time: a full disk is no reason to fail. */
async function rememberWorkingSet(path: string, remembered: Uint32Array, server: ServedDiff): Promise<void> {
  const { workingSet } = await server.report();
  const needed = new Set([...remembered, ...workingSet]);
  await writeFile(path, Buffer.from(Uint32Array.from(needed).buffer), { mode: 0o600 }).catch(() => {});
}

/** The working set only saves time: if it is missing or damaged, each page is served when it is touched. */
async function readWorkingSet(path: string): Promise<Uint32Array> {
  const bytes = await readFile(path).catch(() => Buffer.alloc(0));
  const count = Math.floor(bytes.length / 4);
  return Uint32Array.from({ length: count }, (_, at) => bytes.readUInt32LE(at * 4));
}

function readFrom(file: FileHandle, what: string) {
  return async (offset: number, length: number): Promise<Uint8Array> => {
    const bytes = await fetchFrom(file)(offset, length, AbortSignal.any([]));
    if (bytes.length !== length)
      throw new WrennError("snapshot_corrupt", { what, problem: "it is cut short" });
    return bytes;
  };
}

function fetchFrom(file: FileHandle): Fetch {
  return async (offset, length) => {
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, (await file.read(bytes, 0, length, offset)).bytesRead);
  };
}
