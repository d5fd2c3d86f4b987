import { chmod, chown, open, readFile, rm, writeFile } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { PackedMemory, ServedPages, ServeRequest } from "@wrenn/host-agent";
import { directoryFiles, openChunks, servePackedDiff, writeChunks } from "@wrenn/memory-image";
import type { Fetch } from "@wrenn/memory-image";
import { WrennError } from "@wrenn/core";

const COPY_BYTES = 1 << 20;

/** Packed memory as zstd chunks in local files. */
export const packedMemory: PackedMemory = { pack, unpack, serve };

async function pack(diff: string, target: string, signal: AbortSignal): Promise<void> {
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

async function unpack(packed: string, target: string, signal: AbortSignal): Promise<void> {
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

async function serve(request: ServeRequest, signal: AbortSignal): Promise<ServedPages> {
  const { machine, workingSet, uid } = request;
  await rm(machine.socket, { force: true });
  const file = await open(request.packed, "r");
  const remembered = await readWorkingSet(workingSet);
  const removeFiles = async (): Promise<void> => {
    for (const path of [machine.socket, machine.ranges]) await rm(path, { force: true });
    await file.close();
  };
  try {
    const server = await servePackedDiff(
      {
        fetch: fetchFrom(file),
        what: request.packed,
        baseFile: request.base,
        memorySize: request.memoryMib * 2 ** 20,
        ...machine,
        workingSet: remembered,
      },
      signal,
    );
    await chown(machine.socket, uid, uid);
    await chmod(machine.ranges, 0o444);
    let stopped: Promise<void> | undefined;
    const stop = async (): Promise<void> => {
      server.stop();
      stopped ??= removeFiles();
      await stopped;
    };
    const ended = server.ended.then(async (problem) => {
      if (server.report().complete) {
        const needed = new Set([...remembered, ...server.report().workingSet]);
        await writeFile(workingSet, Buffer.from(Uint32Array.from(needed).buffer), { mode: 0o600 });
      }
      // A failed server is of no use any more; its machine ends with it.
      if (problem) await stop();
      return problem;
    });
    return { fill: () => server.fill(), isComplete: () => server.report().complete, ended, stop };
  } catch (error) {
    await removeFiles();
    throw error;
  }
}

/** What is remembered only saves time: without it, or when it is damaged, pages come when they are touched. */
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
